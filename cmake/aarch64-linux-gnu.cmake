# Cross-compiles for 64-bit ARM with Debian's compiler, which has its own C and C++ library. All other
# libraries are in TCPDWELL_SYSROOT, where `./dev dist arm64` unpacks packages. clang and bpftool are
# the host's, because the BPF target is the same.
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
