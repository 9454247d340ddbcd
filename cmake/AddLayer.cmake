# add_layer(<folder> [<target>...]): library tcpdwell_<folder> from user/<folder>/*.cpp without
# main.cpp. A folder of headers only becomes an interface library.
function(add_layer folder)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/user/${folder}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(sources)
    add_library(tcpdwell_${folder} STATIC ${sources})
    target_link_libraries(tcpdwell_${folder} PUBLIC tcpdwell_options ${ARGN})
  else()
    add_library(tcpdwell_${folder} INTERFACE)
    target_link_libraries(tcpdwell_${folder} INTERFACE tcpdwell_options ${ARGN})
  endif()
endfunction()
