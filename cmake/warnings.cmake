# Flags for pawl's own code. Generated and system headers are included as SYSTEM, and so are exempt.
add_library(pawl_flags INTERFACE)
target_compile_options(pawl_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Wold-style-cast
  -Wcast-align -Woverloaded-virtual -Werror
  $<$<CXX_COMPILER_ID:Clang>:-Wno-gnu-statement-expression> # PAWL_TRY
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety> # store/os/mutex.h
  $<$<CXX_COMPILER_ID:GNU>:-Wno-pedantic -Wno-subobject-linkage -Wduplicated-cond -Wlogical-op>
  -fno-omit-frame-pointer)
# -Wsubobject-linkage: in a unity build g++ takes each source for a header, whose anonymous types must not be used.
# A designated initialiser leaves the rest at its default on purpose. The others see dangling,
# uninitialised and overread values in correct code once g++ 12 inlines std::variant and std::string at -O2 (gcc bugs
# 80635, 105562, 105651); clang and the sanitizers watch for the real ones.
target_compile_options(pawl_flags INTERFACE
  $<$<CXX_COMPILER_ID:GNU>:-Wno-missing-field-initializers -Wno-maybe-uninitialized
  -Wno-restrict -Wno-array-bounds -Wno-stringop-overread -Wno-stringop-overflow>)
target_include_directories(pawl_flags INTERFACE ${PROJECT_SOURCE_DIR})
