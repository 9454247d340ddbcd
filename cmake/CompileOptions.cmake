# The compile options of all our targets. An interface library keeps them out of imported targets.
add_library(tcpdwell_compile_options INTERFACE)
target_compile_features(tcpdwell_compile_options INTERFACE cxx_std_20)
target_include_directories(tcpdwell_compile_options INTERFACE ${PROJECT_SOURCE_DIR}/user
                                                      ${PROJECT_SOURCE_DIR}/include)
target_compile_options(
  tcpdwell_compile_options INTERFACE -Wall -Wextra
                             # designated initializers leave fields out on purpose
                             -Wno-missing-field-initializers)
# GCC builds what we ship. Clang, which builds for the sanitizers, means other things by these.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(
    tcpdwell_compile_options INTERFACE -Wpedantic -Wshadow -Wconversion -Wold-style-cast
                               -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-align
                               -Wimplicit-fallthrough -Wundef)
endif()
# GCC 12 reports false overlaps in std::string (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(tcpdwell_compile_options INTERFACE -Wno-restrict)
endif()
if(TCPDWELL_WERROR)
  target_compile_options(tcpdwell_compile_options INTERFACE -Werror)
endif()
if(TCPDWELL_STATIC)
  target_compile_definitions(tcpdwell_compile_options INTERFACE TCPDWELL_STATIC)
  # No path in the binary: the same sources give the same bytes in any directory.
  target_compile_options(
    tcpdwell_compile_options INTERFACE -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=
                               -ffile-prefix-map=${PROJECT_BINARY_DIR}/=
                               $<$<BOOL:${TCPDWELL_SYSROOT}>:-ffile-prefix-map=${TCPDWELL_SYSROOT}/=/>)
endif()

# The ENVIRONMENT of tests.
set(TCPDWELL_TEST_ENVIRONMENT)

# Coverage for the fuzzer. The macro disables checks that fuzzed input cannot pass, such as checksums.
if(TCPDWELL_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_compile_definitions(FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION)
endif()

# Half of absl's hash table is in headers, half in a library that the distribution builds without
# sanitizers. So the headers must keep the library's layout under ASan.
if(TCPDWELL_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
  add_compile_definitions(NDEBUG_SANITIZER)  # keeps the library's layout
  set(asan_options detect_stack_use_after_return=1:strict_string_checks=1)
  if(absl_VERSION VERSION_GREATER_EQUAL 20240116)
    # The headers poison slots that the library then uses.
    string(APPEND asan_options :allow_user_poisoning=0)
    # With null checks GCC rejects the tables' constant expressions (GCC bug 71962).
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      add_compile_options(-fno-sanitize=null,nonnull-attribute,returns-nonnull-attribute)
    endif()
  endif()
  set(TCPDWELL_TEST_ENVIRONMENT ASAN_OPTIONS=${asan_options} UBSAN_OPTIONS=print_stacktrace=1)
endif()
