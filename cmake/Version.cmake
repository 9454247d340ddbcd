# Sets TCPDWELL_FULL_VERSION: 0.1.0 for the commit with the tag v0.1.0, else 0.1.0-g<commit>, with
# -dirty appended if files differ from that commit. It is the same in every clone, deep or shallow.
# An archive of `git archive` has no .git, but the commit in commit.txt; a plain copy has neither.
function(tcpdwell_version result)
  set(release "v${PROJECT_VERSION}")
  set(described)
  find_program(GIT_PROGRAM git DOC "git, names the commit in the version")
  if(GIT_PROGRAM AND EXISTS ${PROJECT_SOURCE_DIR}/.git)
    # Root may build in another user's tree.
    set(git ${GIT_PROGRAM} -c safe.directory=${PROJECT_SOURCE_DIR} -C ${PROJECT_SOURCE_DIR})
    execute_process(COMMAND ${git} describe --always --exclude * --abbrev=12 --dirty
                    OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    execute_process(COMMAND ${git} tag --points-at HEAD --list ${release}
                    OUTPUT_VARIABLE tag OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(tag)
      string(REGEX REPLACE "^[0-9a-f]+" ${release} described "${described}")
    endif()
    execute_process(COMMAND ${git} rev-parse --git-path logs/HEAD
                    OUTPUT_VARIABLE log OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    get_filename_component(log "${log}" ABSOLUTE BASE_DIR ${PROJECT_SOURCE_DIR})
    if(EXISTS "${log}")
      set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${log})
    endif()
  else()
    file(STRINGS ${PROJECT_SOURCE_DIR}/cmake/commit.txt lines REGEX "^(commit|names): ")
    if(lines MATCHES "names: [^;]*tag: ${release}(,|;|$)")
      set(described ${release})
    elseif(lines MATCHES "commit: ([0-9a-f]+)")
      string(SUBSTRING ${CMAKE_MATCH_1} 0 12 described)
    endif()
  endif()
  if(NOT described)
    set(version ${PROJECT_VERSION})
  elseif(described MATCHES "^${release}(-dirty)?$")
    set(version ${PROJECT_VERSION}${CMAKE_MATCH_1})
  else()
    set(version ${PROJECT_VERSION}-g${described})
  endif()
  set(${result} ${version} PARENT_SCOPE)
endfunction()

tcpdwell_version(TCPDWELL_FULL_VERSION)
set(TCPDWELL_FULL_VERSION ${TCPDWELL_FULL_VERSION} CACHE INTERNAL "the text of --version")
# Only this file, so that a commit recompiles nothing else.
set_source_files_properties(${PROJECT_SOURCE_DIR}/user/util/version.cpp PROPERTIES
                            COMPILE_DEFINITIONS TCPDWELL_VERSION="${TCPDWELL_FULL_VERSION}")
