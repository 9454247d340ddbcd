# Third-party libraries, as the targets to link: TCPDWELL_HASH_MAP, TCPDWELL_FMT, TCPDWELL_SPDLOG,
# PkgConfig::ZSTD, PkgConfig::UTF8PROC, PkgConfig::LIBDW, PkgConfig::LIBEVENT, PROTOZERO,
# PkgConfig::LIBBPF, CLI11::CLI11, Threads::Threads.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(PkgConfig REQUIRED)
if(TCPDWELL_STATIC)
  # Also for pkg-config's -l, which CMake resolves with find_library().
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
  list(APPEND PKG_CONFIG_ARGN --static)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  # If a distribution has both kinds, the CMake targets of absl are the shared libraries.
  pkg_check_modules(ABSL REQUIRED IMPORTED_TARGET absl_flat_hash_map)
  set(TCPDWELL_HASH_MAP PkgConfig::ABSL)
  # Debian has no static libraries of these two.
  set(TCPDWELL_FMT fmt::fmt-header-only)
  set(TCPDWELL_SPDLOG spdlog::spdlog_header_only)
else()
  find_package(absl REQUIRED)
  set(TCPDWELL_HASH_MAP absl::flat_hash_map)
  set(TCPDWELL_FMT fmt::fmt)
  set(TCPDWELL_SPDLOG spdlog::spdlog)
endif()

pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(LIBEVENT REQUIRED IMPORTED_TARGET libevent_core libevent_extra)
find_path(TCPDWELL_PROTOZERO_DIR protozero/pbf_writer.hpp REQUIRED)
add_library(PROTOZERO INTERFACE)
target_include_directories(PROTOZERO SYSTEM INTERFACE ${TCPDWELL_PROTOZERO_DIR})
pkg_check_modules(LIBDW REQUIRED IMPORTED_TARGET libdw)
if(TCPDWELL_STATIC)
  # libdw.pc does not name all that the static library needs. The back end of the machine is in it.
  foreach(name elf z lzma bz2)
    find_library(TCPDWELL_${name} ${name} REQUIRED)
    target_link_libraries(PkgConfig::LIBDW INTERFACE ${TCPDWELL_${name}})
  endforeach()
  target_link_libraries(PkgConfig::LIBDW INTERFACE ${CMAKE_DL_LIBS})
endif()
find_path(TCPDWELL_XXHASH_DIR xxhash.h REQUIRED)

if(TCPDWELL_BPF)
  pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET libbpf>=1.1)
  find_package(spdlog REQUIRED)
  find_package(CLI11 REQUIRED)
  if(TCPDWELL_STATIC)
    # The target links the shared fmt by default.
    set_target_properties(spdlog::spdlog_header_only PROPERTIES
                          INTERFACE_LINK_LIBRARIES "Threads::Threads;fmt::fmt-header-only")
  endif()
endif()
