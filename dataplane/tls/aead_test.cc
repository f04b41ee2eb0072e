#include "dataplane/tls/aead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/tls/key_cache.h"
#include "dataplane/tls/key_schedule.h"
#include "l7/base/prng.h"

namespace meltemi::tls {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes Random(Prng* prng, size_t n) {
  Bytes bytes(n);
  for (uint8_t& b : bytes) b = static_cast<uint8_t>(prng->Next());
  return bytes;
}

Bytes FromHex(std::string_view hex) {
  Bytes bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

// The message cut at random places, each part opened or sealed in place.
std::vector<Piece> Cut(Prng* prng, Bytes* message, bool many) {
  std::vector<Piece> pieces;
  uint32_t at = 0;
  while (at < message->size() || pieces.empty()) {
    const auto rest = static_cast<uint32_t>(message->size() - at);
    const uint32_t n = many && rest > 0 ? 1 + static_cast<uint32_t>(prng->Below(rest)) : rest;
    pieces.push_back({.in = message->data() + at, .out = message->data() + at, .size = n});
    at += n;
  }
  return pieces;
}

TEST(Aead, BothEnginesAgreeOnEverySizeAndCut) {
  // Goal: ipsec-mb and OpenSSL are interchangeable. Method: the same random message sealed by both,
  // whole by one and in pieces by the other, opened by the one that did not seal it.
  Prng prng(1);
  const auto mb = MakeIpsecMbAead();
  const auto reference = MakeOpenSslAead();
  for (uint32_t n = 0; n <= 16'385; n += n < 600 ? 1 : 1 + static_cast<uint32_t>(prng.Below(97))) {
    const auto algorithm = n % 2 == 0 ? AeadAlgorithm::kAes128Gcm : AeadAlgorithm::kAes256Gcm;
    const Bytes key = Random(&prng, 32), nonce = Random(&prng, 12), aad = Random(&prng, 5);
    const Bytes plain = Random(&prng, n);
    mb->SetKey(0, algorithm, key.data());
    reference->SetKey(0, algorithm, key.data());
    Bytes a = plain, b = plain;
    std::array<uint8_t, kTagBytes> tag_a, tag_b;
    const auto pieces_a = Cut(&prng, &a, n % 3 == 0);
    const auto pieces_b = Cut(&prng, &b, n % 3 == 1);
    mb->Seal(0, {.nonce = nonce.data(), .aad = aad, .pieces = pieces_a}, tag_a.data());
    reference->Seal(0, {.nonce = nonce.data(), .aad = aad, .pieces = pieces_b}, tag_b.data());
    ASSERT_EQ(a, b) << n;
    ASSERT_EQ(tag_a, tag_b) << n;
    ASSERT_TRUE(mb->Open(0, {nonce.data(), aad, pieces_b}, tag_a.data())) << n;
    ASSERT_TRUE(reference->Open(0, {nonce.data(), aad, pieces_a}, tag_a.data())) << n;
    ASSERT_EQ(a, plain) << n;
    ASSERT_EQ(b, plain) << n;
  }
}

TEST(Aead, BothEnginesRefuseWhatWasAltered) {
  // Goal: one flipped bit anywhere (ciphertext, tag, additional data, nonce) is found by both.
  Prng prng(2);
  const auto mb = MakeIpsecMbAead();
  const auto reference = MakeOpenSslAead();
  for (int round = 0; round < 400; ++round) {
    const Bytes key = Random(&prng, 16), nonce = Random(&prng, 12), aad = Random(&prng, 5);
    Bytes message = Random(&prng, 1 + prng.Below(200));
    Bytes tag(kTagBytes);
    mb->SetKey(3, AeadAlgorithm::kAes128Gcm, key.data());
    reference->SetKey(3, AeadAlgorithm::kAes128Gcm, key.data());
    mb->Seal(3, {nonce.data(), aad, Cut(&prng, &message, false)}, tag.data());
    std::array<Bytes, 4> parts = {message, tag, aad, nonce};
    Bytes& part = parts[prng.Below(4)];
    part[prng.Below(part.size())] ^= static_cast<uint8_t>(1u << prng.Below(8));
    Bytes copy = parts[0];
    EXPECT_FALSE(
        mb->Open(3, {parts[3].data(), parts[2], Cut(&prng, &copy, true)}, parts[1].data()));
    copy = parts[0];
    EXPECT_FALSE(
        reference->Open(3, {parts[3].data(), parts[2], Cut(&prng, &copy, true)}, parts[1].data()));
  }
}

TEST(Aead, ARecordIsTheSameAsItsPieces) {
  // Goal: what SealRecord makes of a record is what Seal makes of a piece, in both engines, and
  // each opens it; one flipped bit anywhere (header, bytes, tag, nonce) is found by both.
  Prng prng(6);
  const auto mb = MakeIpsecMbAead();
  const auto reference = MakeOpenSslAead();
  for (uint32_t n = 0; n <= 16'385; n += n < 600 ? 1 : 1 + static_cast<uint32_t>(prng.Below(97))) {
    const auto algorithm = n % 2 == 0 ? AeadAlgorithm::kAes128Gcm : AeadAlgorithm::kAes256Gcm;
    const Bytes key = Random(&prng, 32), plain = Random(&prng, n);
    Bytes nonce = Random(&prng, 12), header = Random(&prng, kRecordHeaderBytes);
    mb->SetKey(0, algorithm, key.data());
    reference->SetKey(0, algorithm, key.data());
    Bytes expected = plain;
    expected.resize(n + kTagBytes);
    const Piece piece{expected.data(), expected.data(), n};
    reference->Seal(0, {nonce.data(), header, {&piece, 1}}, expected.data() + n);
    for (Aead* aead : {mb.get(), reference.get()}) {
      Bytes record = plain;
      record.resize(n + kTagBytes);
      aead->SealRecord(0, nonce.data(), header.data(), record.data(), n);
      ASSERT_EQ(record, expected) << n;
      ASSERT_TRUE(aead->OpenRecord(0, nonce.data(), header.data(), record.data(), n)) << n;
      record.resize(n);
      ASSERT_EQ(record, plain) << n;
    }
    std::array<Bytes*, 3> parts = {&expected, &header, &nonce};
    Bytes& part = *parts[prng.Below(3)];
    part[prng.Below(part.size())] ^= static_cast<uint8_t>(1u << prng.Below(8));
    for (Aead* aead : {mb.get(), reference.get()}) {
      Bytes record = expected;
      ASSERT_FALSE(aead->OpenRecord(0, nonce.data(), header.data(), record.data(), n)) << n;
    }
  }
}

TEST(Aead, EveryBitOfTheTagCounts) {
  Prng prng(7);
  for (const auto& aead : {MakeIpsecMbAead(), MakeOpenSslAead()}) {
    const Bytes key = Random(&prng, 16), nonce = Random(&prng, 12), header = Random(&prng, 5);
    Bytes sealed = Random(&prng, 20 + kTagBytes);
    aead->SetKey(0, AeadAlgorithm::kAes128Gcm, key.data());
    aead->SealRecord(0, nonce.data(), header.data(), sealed.data(), 20);
    for (uint32_t bit = 0; bit < 8 * kTagBytes; ++bit) {
      Bytes record = sealed;
      record[20 + bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
      EXPECT_FALSE(aead->OpenRecord(0, nonce.data(), header.data(), record.data(), 20)) << bit;
    }
    EXPECT_TRUE(aead->OpenRecord(0, nonce.data(), header.data(), sealed.data(), 20));
  }
}

TEST(Aead, SealsIntoOtherMemory) {
  // Goal: out of place, the plaintext stays as it is (retries still need it).
  Prng prng(3);
  for (const auto& aead : {MakeIpsecMbAead(), MakeOpenSslAead()}) {
    const Bytes key = Random(&prng, 32), nonce = Random(&prng, 12), aad = Random(&prng, 5);
    const Bytes plain = Random(&prng, 5000);
    const Bytes before = plain;
    Bytes out(5000);
    Bytes tag(kTagBytes);
    aead->SetKey(0, AeadAlgorithm::kAes256Gcm, key.data());
    const std::array<Piece, 2> pieces = {Piece{plain.data(), out.data(), 1234},
                                         Piece{plain.data() + 1234, out.data() + 1234, 3766}};
    aead->Seal(0, {nonce.data(), aad, pieces}, tag.data());
    EXPECT_EQ(plain, before);
    const std::array<Piece, 1> whole = {Piece{out.data(), out.data(), 5000}};
    EXPECT_TRUE(aead->Open(0, {nonce.data(), aad, whole}, tag.data()));
    EXPECT_EQ(out, plain);
  }
}

TEST(KeySchedule, DerivesTheKeysOfRfc8448) {
  // Goal: the vectors of RFC 8448 3, server application traffic.
  const Bytes secret = FromHex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643");
  Traffic traffic;
  SetSecret(Suite::kAes128GcmSha256, secret, &traffic);
  EXPECT_EQ(Bytes(traffic.key.begin(), traffic.key.begin() + 16),
            FromHex("9f02283b6c9c07efc26bb9f2ac92e356"));
  EXPECT_EQ(Bytes(traffic.iv.begin(), traffic.iv.end()), FromHex("cf782b88dd83549aadf1e984"));
}

TEST(KeySchedule, NonceIsIvXorSequence) {
  Traffic traffic;
  traffic.iv = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  traffic.sequence = 0x0102030405060708;
  const Nonce nonce = NonceOf(traffic);
  EXPECT_EQ(Bytes(nonce.data(), nonce.data() + kNonceBytes),
            (Bytes{1, 2, 3, 4, 5 ^ 1, 6 ^ 2, 7 ^ 3, 8 ^ 4, 9 ^ 5, 10 ^ 6, 11 ^ 7, 12 ^ 8}));
}

TEST(KeyCache, KeepsBusyKeysAndExpandsIdleOnesAgain) {
  // Goal: at n - 1, n and n + 1 keys; a stale KeyRef is never taken for another's key.
  Prng prng(4);
  const auto aead = MakeIpsecMbAead();
  KeyCache keys(aead.get(), 3);
  std::array<Bytes, 4> key;
  std::array<KeyRef, 4> ref;
  for (Bytes& k : key) k = Random(&prng, 16);
  const auto use = [&](int i) {
    const uint32_t* slot = keys.Find(ref[i]);
    return slot != nullptr ? *slot : keys.Expand(&ref[i], AeadAlgorithm::kAes128Gcm, key[i].data());
  };
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 3; ++i) use(i);
  }
  EXPECT_EQ(keys.expanded_count(), 3u);
  use(3);  // takes the place of one of them
  EXPECT_EQ(keys.expanded_count(), 4u);
  std::array<bool, 3> used{};
  used[use(3)] = true;
  EXPECT_EQ(keys.expanded_count(), 4u);
  for (int i = 0; i < 3; ++i) use(i);  // whoever lost its place gets another one
  EXPECT_GT(keys.expanded_count(), 4u);
  keys.Drop(&ref[0]);
  keys.Drop(&ref[0]);  // twice: nothing
  EXPECT_EQ(ref[0].stamp, 0u);
}

TEST(KeyCache, EvictedKeysStillSealRight) {
  // Goal: 10 keys share 2 slots in random order; every seal equals that of a key of its own.
  Prng prng(5);
  const auto aead = MakeIpsecMbAead();
  const auto reference = MakeOpenSslAead();
  KeyCache keys(aead.get(), 2);
  std::array<Bytes, 10> key;
  std::array<KeyRef, 10> ref;
  for (uint32_t i = 0; i < key.size(); ++i) {
    key[i] = Random(&prng, 32);
    reference->SetKey(i, AeadAlgorithm::kAes256Gcm, key[i].data());
  }
  for (int round = 0; round < 1000; ++round) {
    const auto i = static_cast<uint32_t>(prng.Below(key.size()));
    const Bytes nonce = Random(&prng, 12);
    Bytes a(100, 'x'), b(100, 'x'), tag_a(16), tag_b(16);
    const std::array<Piece, 1> piece_a = {Piece{a.data(), a.data(), 100}};
    const std::array<Piece, 1> piece_b = {Piece{b.data(), b.data(), 100}};
    if (keys.Find(ref[i]) == nullptr) {
      keys.Expand(&ref[i], AeadAlgorithm::kAes256Gcm, key[i].data());
    }
    aead->Seal(ref[i].slot, {nonce.data(), {}, piece_a}, tag_a.data());
    reference->Seal(i, {nonce.data(), {}, piece_b}, tag_b.data());
    ASSERT_EQ(a, b);
    ASSERT_EQ(tag_a, tag_b);
  }
}

}  // namespace
}  // namespace meltemi::tls
