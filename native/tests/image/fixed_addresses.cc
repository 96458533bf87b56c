// Becomes another program, at addresses that are the same each time, which a sanitizer may want.
//
//   fixed_addresses PROGRAM ARGUMENT...
#include <sys/personality.h>
#include <unistd.h>

int main(int count, char** arguments) {
  if (count < 2 || personality(ADDR_NO_RANDOMIZE) < 0) return 1;
  execv(arguments[1], arguments + 1);
  return 1;
}
