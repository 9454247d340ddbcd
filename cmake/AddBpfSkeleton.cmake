# add_bpf_skeleton(<name> <source> [<macro>...]): compiles a BPF object with these macros defined, and
# generates its skeleton. Link <name>_skel and include "skel/<name>.skel.h". Its struct is <name>_bpf, so
# that a C++ namespace may have the name <name>.
include(FindBpftool)

find_program(BPF_CLANG NAMES clang DOC "clang, compiles the BPF programs")
if(NOT BPF_CLANG)
  message(FATAL_ERROR "clang not found: it compiles the BPF programs. Install it, or pass "
                      "-DTCPDWELL_BPF=OFF to build only the libraries that need no BPF.")
endif()
find_program(LLVM_STRIP NAMES llvm-strip DOC "takes the debug sections out of the BPF object")

# Architectures as <bpf/bpf_tracing.h> of libbpf names them.
function(bpf_target_arch result)
  string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" cpu)
  if(cpu MATCHES "^(x86_64|amd64|i.86)$")
    set(arch x86)
  elseif(cpu MATCHES "^(aarch64|arm64)$")
    set(arch arm64)
  elseif(cpu MATCHES "^(ppc|powerpc)")
    set(arch powerpc)
  elseif(cpu MATCHES "^riscv")
    set(arch riscv)
  elseif(cpu MATCHES "^s390")
    set(arch s390)
  else()
    message(FATAL_ERROR "No BPF target known for ${CMAKE_SYSTEM_PROCESSOR}")
  endif()
  set(${result} ${arch} PARENT_SCOPE)
endfunction()

function(add_bpf_skeleton name source)
  set(obj ${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o)
  set(skel_dir ${CMAKE_CURRENT_BINARY_DIR}/skel)
  set(skel ${skel_dir}/${name}.skel.h)
  file(MAKE_DIRECTORY ${skel_dir})
  bpf_target_arch(arch)

  set(flags --target=bpf -mcpu=v3 -g -O2 -std=gnu11 -fno-strict-aliasing -Wall -Wextra -Wno-unused-parameter
            -Wno-sign-compare -Wno-missing-field-initializers
            # BTF stays in the object, and has the path of each source
            -ffile-prefix-map=${PROJECT_SOURCE_DIR}/= -fdebug-compilation-dir=.)
  if(TCPDWELL_WERROR)
    list(APPEND flags -Werror)
  endif()
  list(TRANSFORM ARGN PREPEND -D OUTPUT_VARIABLE macros)
  # Without the 32-bit libc, <asm/types.h> is only under the multiarch path.
  set(includes -I${PROJECT_SOURCE_DIR}/bpf -I${PROJECT_SOURCE_DIR}/include
               -isystem ${PROJECT_SOURCE_DIR}/vmlinux)
  foreach(dir IN LISTS LIBBPF_INCLUDE_DIRS)
    list(APPEND includes -isystem ${dir})
  endforeach()
  if(CMAKE_LIBRARY_ARCHITECTURE)
    list(APPEND includes -idirafter ${TCPDWELL_SYSROOT}/usr/include/${CMAKE_LIBRARY_ARCHITECTURE})
  endif()

  set(strip)
  if(LLVM_STRIP)
    set(strip COMMAND ${LLVM_STRIP} -g ${obj})
  endif()
  add_custom_command(
    OUTPUT ${obj}
    COMMAND ${BPF_CLANG} ${flags} -D__TARGET_ARCH_${arch} ${macros} ${includes} -MD -MF ${obj}.d -MQ ${obj}
            -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${obj}
    ${strip}
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${source}
    DEPFILE ${obj}.d
    COMMENT "Compiling ${source} into ${name}.bpf.o"
    VERBATIM)
  add_custom_command(
    OUTPUT ${skel}
    COMMAND sh -c "{ echo '// NOLINTBEGIN: generated' && \"$1\" gen skeleton \"$2\" name \"$3\" && \
echo '// NOLINTEND'; } > \"$4.new\" && mv \"$4.new\" \"$4\""
            gen_skeleton ${BPFTOOL} ${obj} ${name}_bpf ${skel}
    DEPENDS ${obj}
    COMMENT "Generating skel/${name}.skel.h"
    VERBATIM)
  add_custom_target(${name}_skel_header DEPENDS ${skel})
  add_library(${name}_skel INTERFACE)
  add_dependencies(${name}_skel ${name}_skel_header)
  target_include_directories(${name}_skel SYSTEM INTERFACE ${CMAKE_CURRENT_BINARY_DIR})
endfunction()
