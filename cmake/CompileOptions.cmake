# What every target is compiled with. Used through one interface library, so that nothing leaks
# into imported targets.
add_library(tcpdwell_compile_options INTERFACE)
target_compile_features(tcpdwell_compile_options INTERFACE cxx_std_20)
target_include_directories(tcpdwell_compile_options INTERFACE ${PROJECT_SOURCE_DIR}/user
                                                      ${PROJECT_SOURCE_DIR}/include)
target_compile_options(
  tcpdwell_compile_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                             -Wold-style-cast -Wnon-virtual-dtor -Woverloaded-virtual
                             -Wcast-align -Wimplicit-fallthrough -Wundef
                             # a designated initializer that leaves fields out means it
                             -Wno-missing-field-initializers)
# GCC 12 sees overlaps in std::string that are not there (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(tcpdwell_compile_options INTERFACE -Wno-restrict)
endif()
if(TCPDWELL_WERROR)
  target_compile_options(tcpdwell_compile_options INTERFACE -Werror)
endif()
if(TCPDWELL_STATIC)
  target_compile_definitions(tcpdwell_compile_options INTERFACE TCPDWELL_STATIC)
  # The same sources give the same bytes wherever they are built: no path gets into them.
  target_compile_options(
    tcpdwell_compile_options INTERFACE -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=
                               -ffile-prefix-map=${PROJECT_BINARY_DIR}/=
                               $<$<BOOL:${TCPDWELL_SYSROOT}>:-ffile-prefix-map=${TCPDWELL_SYSROOT}/=/>)
endif()

# Set as ENVIRONMENT of tests.
set(TCPDWELL_TEST_ENVIRONMENT)

# Coverage for the fuzzer; what only it may pass over looks for the macro.
if(TCPDWELL_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_compile_definitions(FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION)
endif()

# The hash tables of absl are half header, half library, and the distribution's library is built
# without sanitizers: what the header does under ASan must not outgrow what the library expects.
if(TCPDWELL_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
  add_compile_definitions(NDEBUG_SANITIZER)  # keeps the tables' layout the one of the library
  set(asan_options detect_stack_use_after_return=1:strict_string_checks=1)
  if(absl_VERSION VERSION_GREATER_EQUAL 20240116)
    # The header poisons the slots, the library takes them into use.
    string(APPEND asan_options :allow_user_poisoning=0)
    # With its null checks GCC finds the tables' constant expressions not constant (GCC bug 71962).
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      add_compile_options(-fno-sanitize=null,nonnull-attribute,returns-nonnull-attribute)
    endif()
  endif()
  set(TCPDWELL_TEST_ENVIRONMENT ASAN_OPTIONS=${asan_options} UBSAN_OPTIONS=print_stacktrace=1)
endif()
