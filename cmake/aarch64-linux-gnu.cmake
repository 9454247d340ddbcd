# To build for 64-bit ARM on another machine: the compiler is Debian's, with a C and C++ library of
# its own; all other libraries are those of the packages below TCPDWELL_SYSROOT, which `./dev dist
# arm64` unpacks there. clang and bpftool are the host's: a BPF object is the same on both.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES TCPDWELL_SYSROOT)
set(CMAKE_FIND_ROOT_PATH ${TCPDWELL_SYSROOT})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
foreach(kind LIBRARY INCLUDE PACKAGE)
  set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY)
endforeach()
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${TCPDWELL_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${TCPDWELL_SYSROOT}/usr/lib/aarch64-linux-gnu/pkgconfig)
