# A typical file spends half its compile time on the standard library and flatc's headers; both are read once per
# target. ccache follows precompiled headers only when told that their macros may be trusted.
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()

# What ccache requires of each compiler before it caches output that used a precompiled header.
set(pawl_precompile_options $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>
  "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")

# g++ looks for garbage from 128 MB on, again and again; memory costs less than that time (8 %, measured).
add_compile_options(
  $<$<CXX_COMPILER_ID:GNU>:SHELL:--param=ggc-min-expand=400>
  $<$<CXX_COMPILER_ID:GNU>:SHELL:--param=ggc-min-heapsize=1000000>)

function(pawl_precompile target)
  target_compile_options(${target} PRIVATE ${pawl_precompile_options})
  target_precompile_headers(${target} PRIVATE
    <algorithm> <functional> <map> <memory> <optional> <span> <string> <string_view> <variant> <vector>
    <checkpoint_generated.h> <record_generated.h> ${ARGN})
endfunction()

# The same headers for a target with the same definitions: read once for both.
function(pawl_precompiled_like target other)
  target_compile_options(${target} PRIVATE ${pawl_precompile_options})
  target_precompile_headers(${target} REUSE_FROM ${other})
endfunction()
