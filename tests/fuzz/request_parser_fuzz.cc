// However a stream of requests is split, the same requests are read and the same refusal is given.
#include "tests/fuzz/fuzz_input.h"
#include "tests/server/parser_stream.h"

namespace recharge {

void fuzz(FuzzBytes bytes) {
  if (bytes.size() < 3) return;
  constexpr std::size_t kHeaderLimits[] = {64, 512, 16384};
  constexpr std::size_t kBodyLimits[] = {16, 256, 65536};
  const ParserLimits limits{kHeaderLimits[bytes[0] % 3], kBodyLimits[bytes[0] / 3 % 3]};
  const std::string_view stream = text_of(bytes.subspan(3));
  const ParserStream whole = read_stream(stream, {}, limits);

  std::vector<std::size_t> pieces;  // drawn from the input, so that it replays
  unsigned state = bytes[1] * 256U + bytes[2];
  for (std::size_t taken = 0; taken < stream.size(); taken += pieces.back()) {
    state = state * 1103515245U + 12345U;
    pieces.push_back(1 + (state >> 16) % (bytes[0] < 128 ? 8 : 200));
  }
  RECHARGE_CHECK(read_stream(stream, pieces, limits) == whole);
  RECHARGE_CHECK(read_stream(stream, {bytes[2]}, limits) == whole);
}

}  // namespace recharge
