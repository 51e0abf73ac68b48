# Writes OUTPUT, a C++ source with the files of the web page in FOLDER: its HTML files, and page/files/ beside them.
file(GLOB paths ${FOLDER}/*.html ${FOLDER}/page/files/*)
if(NOT paths)
  message(FATAL_ERROR "${FOLDER} has no files of the page")
endif()
set(type_html text/html)
set(type_js text/javascript)
set(type_css text/css)
set(type_txt text/plain)
set(arrays "")
set(rows "")
set(number 0)
foreach(path ${paths})
  get_filename_component(name ${path} NAME)
  get_filename_component(ending ${path} LAST_EXT)
  string(SUBSTRING "${ending}" 1 -1 ending)
  if(NOT type_${ending})
    message(FATAL_ERROR "${path}: cmake/embed_page.cmake does not know the content type of .${ending}")
  endif()
  file(SHA256 ${path} hash)
  string(SUBSTRING ${hash} 0 32 hash)
  file(READ ${path} bytes HEX)
  string(LENGTH "${bytes}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
  string(APPEND arrays "constexpr unsigned char file_${number}[] = {${bytes}0};\n")
  string(APPEND rows
    "    {\"${name}\", \"${type_${ending}}; charset=utf-8\", \"\\\"${hash}\\\"\", {reinterpret_cast<const char*>(file_${number}), ${size}}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUTPUT} "// Written by cmake/embed_page.cmake.
#include \"daemon/api/page.h\"

namespace pawl {
namespace {

${arrays}
const PageFile files[] = {
${rows}};

}  // namespace

std::span<const PageFile> page_files() {
  return files;
}

}  // namespace pawl
")
