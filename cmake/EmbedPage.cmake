# Writes a C++ source with the style sheet and the script of the page of `report`, and their hashes:
#
#   cmake -DFOLDER=user/report/page -DSCRIPTS=a.js,b.js -DOUTPUT=page.cpp -P EmbedPage.cmake
#
# The scripts become one module, in this order.
file(READ ${FOLDER}/page.css style)
set(script "")
string(REPLACE "," ";" names "${SCRIPTS}")
foreach(name IN LISTS names)
  file(READ ${FOLDER}/${name} part)
  string(APPEND script "${part}")
endforeach()
string(SHA256 style_hash "${style}")
string(SHA256 script_hash "${script}")
file(WRITE ${OUTPUT} "#include \"report/assets.h\"

namespace tcpdwell::reporting {

const std::string_view kStyle = R\"page(${style})page\";
const std::string_view kScript = R\"page(${script})page\";
const std::string_view kStyleHash = \"${style_hash}\";
const std::string_view kScriptHash = \"${script_hash}\";

}  // namespace tcpdwell::reporting
")
