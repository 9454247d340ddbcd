# add_layer(<folder> [<target>...]): the library tcpdwell_<folder> of user/<folder>/*.cpp, linked with
# these targets. A folder without sources becomes an interface library.
function(add_layer folder)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/user/${folder}/*.cpp)
  if(sources)
    add_library(tcpdwell_${folder} STATIC ${sources})
    target_link_libraries(tcpdwell_${folder} PUBLIC tcpdwell_compile_options ${ARGN})
    # The main thread's stack may be limited to 128 KiB. Sanitizers make frames larger.
    if(NOT TCPDWELL_SANITIZE)
      target_compile_options(tcpdwell_${folder} PRIVATE -Wframe-larger-than=32768)
    endif()
  else()
    add_library(tcpdwell_${folder} INTERFACE)
    target_link_libraries(tcpdwell_${folder} INTERFACE tcpdwell_compile_options ${ARGN})
  endif()
endfunction()
