# Flags for pawl's own code. Generated and system headers are included as SYSTEM and stay out of it.
add_library(pawl_flags INTERFACE)
target_compile_options(pawl_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Wold-style-cast
  -Wcast-align -Woverloaded-virtual -Wnull-dereference -Werror
  $<$<CXX_COMPILER_ID:Clang>:-Wno-gnu-statement-expression> # PAWL_TRY
  $<$<CXX_COMPILER_ID:GNU>:-Wno-pedantic -Wduplicated-cond -Wlogical-op>
  -fno-omit-frame-pointer)
# A designated initialiser that leaves the rest at its default is what we mean by it. And g++ 12 sees dangling and uninitialised values in correct code once it inlines std::variant and std::optional at -O2
# (gcc bugs 80635 and 105562); clang and the sanitizers watch for the real ones.
target_compile_options(pawl_flags INTERFACE
  $<$<CXX_COMPILER_ID:GNU>:-Wno-missing-field-initializers -Wno-maybe-uninitialized -Wno-null-dereference -Wno-restrict>)
target_include_directories(pawl_flags INTERFACE ${PROJECT_SOURCE_DIR})
