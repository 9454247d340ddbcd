# Sets BPFTOOL to a bpftool that really runs: Ubuntu's /usr/sbin/bpftool is a wrapper that fails
# where the tools of the *running* kernel are not installed, as in a container. Any version will do,
# so the tools of another kernel are taken then.
function(bpftool_runs result candidate)
  execute_process(COMMAND ${candidate} version RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  if(status EQUAL 0)
    set(${result} TRUE PARENT_SCOPE)
  else()
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()

function(find_bpftool)
  if(BPFTOOL)
    return()
  endif()
  find_program(in_path bpftool PATHS /usr/sbin /usr/local/sbin /sbin NO_CACHE)
  file(GLOB of_kernels /usr/lib/linux-tools/*/bpftool /usr/lib/linux-tools-*/bpftool)
  list(SORT of_kernels COMPARE NATURAL ORDER DESCENDING)
  foreach(candidate IN LISTS in_path of_kernels)
    if(candidate)
      bpftool_runs(runs ${candidate})
      if(runs)
        set(BPFTOOL ${candidate} CACHE FILEPATH "bpftool, generates the skeleton")
        return()
      endif()
    endif()
  endforeach()
  message(FATAL_ERROR "No working bpftool found. Install it (Debian: bpftool; Ubuntu 24.04: "
                      "linux-tools-common and linux-tools-generic) or pass -DBPFTOOL=PATH.")
endfunction()

find_bpftool()
