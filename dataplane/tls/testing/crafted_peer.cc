#include "dataplane/tls/testing/crafted_peer.h"

namespace meltemi::tls {

CraftedPeer::CraftedPeer(const ContextRef& context, TlsEnd* end)
    : pool_(20'000), layer_(MakeOpenSslAead(), 4, &pool_, &counters_) {
  Handshake handshake(TlsId{1, 1}, SslOptions{.context = context, .sni = "a"});
  handshake.set_unix_seconds(kTestNow);
  std::string early;  // of the end, behind its handshake
  for (int round = 0; round < 10 && handshake.state() == Handshake::State::kRunning; ++round) {
    end->Poll();
    handshake.in = end->Take();
    if (!handshake.in.empty() || handshake.role() == Role::kClient || round == 0) {
      handshake.Run(&certificates_);
    }
    end->Receive(std::exchange(handshake.out, {}));
    end->Poll();
  }
  CHECK(handshake.state() != Handshake::State::kRunning &&
        handshake.state() != Handshake::State::kFailed && handshake.own_records);
  const size_t n = SecretBytes(handshake.suite);
  SetSecret(handshake.suite, {handshake.read_secret.data(), n}, &read_);
  SetSecret(handshake.suite, {handshake.write_secret.data(), n}, &write_);
  write_.sequence = handshake.write_sequence;
  Open(handshake.leftover + end->Take());  // tickets
}

CraftedPeer::CraftedPeer(Suite suite, const std::array<uint8_t, 48>& read_secret,
                         const std::array<uint8_t, 48>& write_secret)
    : pool_(20'000), layer_(MakeOpenSslAead(), 4, &pool_, &counters_) {
  SetSecret(suite, {read_secret.data(), SecretBytes(suite)}, &read_);
  SetSecret(suite, {write_secret.data(), SecretBytes(suite)}, &write_);
}

CraftedPeer::~CraftedPeer() {
  layer_.Drop(&write_);
  layer_.Drop(&read_);
}

std::string CraftedPeer::SealInner(std::string inner) {
  const auto n = static_cast<uint32_t>(inner.size());
  std::string record = {23, 3, 3, static_cast<char>((n + kTagBytes) >> 8),
                        static_cast<char>(n + kTagBytes)};
  aead_->SetKey(0, AlgorithmOf(write_.suite), write_.key.data());
  auto* bytes = reinterpret_cast<uint8_t*>(inner.data());
  const Piece piece{.in = bytes, .out = bytes, .size = n};
  const auto nonce = NonceOf(write_);
  ++write_.sequence;
  std::array<uint8_t, kTagBytes> tag;
  const auto* header = reinterpret_cast<const uint8_t*>(record.data());
  aead_->Seal(0,
              {.nonce = nonce.data(), .aad = {header, kRecordHeaderBytes}, .pieces = {&piece, 1}},
              tag.data());
  return record + inner + std::string(tag.begin(), tag.end());
}

std::vector<std::pair<ContentType, std::string>> CraftedPeer::Open(std::string_view ciphertext) {
  std::vector<std::pair<ContentType, std::string>> records;
  Chain in;
  CHECK(AppendCopy(&pool_, ciphertext, &in));
  while (!in.empty()) {
    Opened opened;
    CHECK(layer_.Open(BufferUse::kCopy, &read_, &in, &opened) == RecordLayer::Verdict::kOk);
    records.emplace_back(opened.type, opened.content.ToString());
  }
  return records;
}

}  // namespace meltemi::tls
