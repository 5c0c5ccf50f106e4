// Histories take and give back small pieces all the time, a tenth of their time by malloc. Here they are kept
// by size for the thread that gave them back, and never go to the system again. Not in builds with
// sanitizers, which watch malloc.
#include <array>
#include <cstdlib>
#include <new>

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
namespace {

constexpr std::size_t kStep = 32;
constexpr std::size_t kClasses = 33;  // pieces of up to 1,024 bytes, header included
constexpr std::size_t kChunkBytes = std::size_t{1} << 18;

struct alignas(16) Header {
  std::size_t size_class = 0;  // 0: of malloc
};
struct Piece {
  Piece* next;
};
static_assert(sizeof(Header) == 16 && sizeof(Header) + sizeof(Piece) <= kStep);

struct Pieces {
  std::array<Piece*, kClasses> free{};
  char* next = nullptr;
  char* end = nullptr;
};
thread_local Pieces pieces;

void* take(std::size_t bytes) {
  const std::size_t size_class = (bytes + sizeof(Header) + kStep - 1) / kStep;
  if (size_class >= kClasses) {
    void* memory = std::malloc(bytes + sizeof(Header));
    if (memory == nullptr) throw std::bad_alloc();
    return new (memory) Header{0} + 1;
  }
  if (Piece* piece = pieces.free[size_class]; piece != nullptr) {
    pieces.free[size_class] = piece->next;
    return piece;
  }
  const std::size_t size = size_class * kStep;
  if (static_cast<std::size_t>(pieces.end - pieces.next) < size) {
    pieces.next = static_cast<char*>(std::malloc(kChunkBytes));
    if (pieces.next == nullptr) throw std::bad_alloc();
    pieces.end = pieces.next + kChunkBytes;
  }
  auto* header = new (pieces.next) Header{size_class};
  pieces.next += size;
  return header + 1;
}

void give_back(void* memory) noexcept {
  if (memory == nullptr) return;
  Header* header = static_cast<Header*>(memory) - 1;
  const std::size_t size_class = header->size_class;
  if (size_class == 0) return std::free(header);
  pieces.free[size_class] = new (memory) Piece{pieces.free[size_class]};
}

}  // namespace

void* operator new(std::size_t bytes) { return take(bytes); }
void operator delete(void* memory) noexcept { give_back(memory); }
void operator delete(void* memory, std::size_t) noexcept { give_back(memory); }
#endif
