# Embeds the page of `report` into its library: user/report/page/.
set(page_folder ${PROJECT_SOURCE_DIR}/user/report/page)
set(page_scripts data.js layout.js timeline.js life.js start.js)
set(page_source ${PROJECT_BINARY_DIR}/report/page.cpp)
list(TRANSFORM page_scripts PREPEND ${page_folder}/ OUTPUT_VARIABLE page_files)
list(JOIN page_scripts "," page_names)
add_custom_command(
  OUTPUT ${page_source}
  COMMAND ${CMAKE_COMMAND} -DFOLDER=${page_folder} -DSCRIPTS=${page_names} -DOUTPUT=${page_source}
          -P ${PROJECT_SOURCE_DIR}/cmake/EmbedPage.cmake
  DEPENDS ${page_folder}/page.css ${page_files} ${PROJECT_SOURCE_DIR}/cmake/EmbedPage.cmake VERBATIM)
target_sources(tcpdwell_report PRIVATE ${page_source})
# A generated file keeps out of unity sources: it is remade more often than they are.
set_source_files_properties(${page_source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
