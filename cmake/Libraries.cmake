# The libraries of others, as the targets to link: TCPDWELL_HASH_MAP, TCPDWELL_FMT, TCPDWELL_SPDLOG,
# PkgConfig::ZSTD, PkgConfig::UTF8PROC, PkgConfig::LIBBPF, CLI11::CLI11, Threads::Threads.
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(PkgConfig REQUIRED)
if(TCPDWELL_STATIC)
  # What find_library() then finds for pkg-config's -l, too.
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)
  list(APPEND PKG_CONFIG_ARGN --static)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  # Where a distribution has both kinds, the CMake targets of absl are the shared ones.
  pkg_check_modules(ABSL REQUIRED IMPORTED_TARGET absl_flat_hash_map)
  set(TCPDWELL_HASH_MAP PkgConfig::ABSL)
  # Of these Debian has no static libraries.
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
find_path(TCPDWELL_XXHASH_DIR xxhash.h REQUIRED)

if(TCPDWELL_BPF)
  pkg_check_modules(LIBBPF REQUIRED IMPORTED_TARGET libbpf>=1.1)
  find_package(spdlog REQUIRED)
  find_package(CLI11 REQUIRED)
  if(TCPDWELL_STATIC)
    # It names the shared fmt itself.
    set_target_properties(spdlog::spdlog_header_only PROPERTIES
                          INTERFACE_LINK_LIBRARIES "Threads::Threads;fmt::fmt-header-only")
  endif()
endif()
