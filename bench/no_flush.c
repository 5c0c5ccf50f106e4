// Preloaded into recharged by `bench/compare --only steps`: what the server takes where a flush costs nothing.
int fdatasync(int fd) {
  (void)fd;
  return 0;
}
