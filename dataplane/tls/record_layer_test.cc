#include "dataplane/tls/record_layer.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "l7/base/heap_buffer_pool.h"
#include "l7/base/limits.h"
#include "l7/base/prng.h"

namespace meltemi::tls {
namespace {

using Verdict = RecordLayer::Verdict;

// One direction: a sealing and an opening end with the same secret.
struct Wire {
  explicit Wire(Suite suite = Suite::kAes128GcmSha256, uint32_t allocation_max = 20'000,
                uint64_t buffer_count_max = UINT64_MAX)
      : pool(allocation_max, buffer_count_max), layer(MakeIpsecMbAead(), 16, &pool, &counters) {
    std::array<uint8_t, 48> secret;
    secret.fill(42);
    SetSecret(suite, {secret.data(), SecretBytes(suite)}, &write);
    SetSecret(suite, {secret.data(), SecretBytes(suite)}, &read);
  }
  std::string Seal(std::string_view plain, ContentType type = ContentType::kApplicationData) {
    Chain chain, records;
    CHECK(AppendCopy(&pool, plain, &chain));
    CHECK(layer.Seal(type, std::move(chain), &write, &records));
    return records.ToString();
  }
  // A record with any inner plaintext, sealed as the RFC says.
  std::string SealInner(std::string inner) {
    const auto n = static_cast<uint32_t>(inner.size());
    std::string record = {23, 3, 3, static_cast<char>((n + 16) >> 8), static_cast<char>(n + 16)};
    const auto aead = MakeOpenSslAead();
    aead->SetKey(0, AlgorithmOf(write.suite), write.key.data());
    auto* bytes = reinterpret_cast<uint8_t*>(inner.data());
    const Piece piece{bytes, bytes, n};
    const auto nonce = NonceOf(write);
    ++write.sequence;
    std::array<uint8_t, 16> tag;
    aead->Seal(0, {nonce.data(), {reinterpret_cast<const uint8_t*>(record.data()), 5}, {&piece, 1}},
               tag.data());
    return record + inner + std::string(tag.begin(), tag.end());
  }
  Verdict Open(std::string_view ciphertext, std::string* plain, uint32_t slice_bytes = 20'000) {
    Chain in;
    while (!ciphertext.empty()) {
      const auto n = std::min<size_t>(slice_bytes, ciphertext.size());
      CHECK(AppendCopy(&pool, ciphertext.substr(0, n), &in));
      ciphertext.remove_prefix(n);
    }
    Verdict verdict = Verdict::kOk;
    while (verdict == Verdict::kOk && !in.empty()) {
      Opened opened;
      verdict = layer.Open(UseOf(in), &read, &in, &opened);
      if (verdict != Verdict::kOk) break;
      type = opened.type;
      *plain += opened.content.ToString();
    }
    return verdict;
  }

  HeapBufferPool pool;
  TlsCounters counters;
  RecordLayer layer;
  Traffic write, read;
  ContentType type = ContentType::kInvalid;
};

std::string Text(size_t n) {
  std::string text(n, '\0');
  for (size_t i = 0; i < n; ++i) text[i] = static_cast<char>(i * 131 + i / 256);
  return text;
}

TEST(RecordLayer, OpensWhatItSealsForEverySizeAndSlicing) {
  // Goal: 1 byte to two full records, cut into slices of 1 byte to whole records.
  for (const Suite suite : {Suite::kAes128GcmSha256, Suite::kAes256GcmSha384}) {
    Wire wire(suite);
    for (const uint32_t n : {1u, 2u, 15u, 16u, 17u, 100u, 2047u, 2048u, 2049u, 4096u, 16'383u,
                             16'384u, 16'385u, 32'768u, 40'000u}) {
      for (const uint32_t slice : {7u, 64u, 1448u, 20'000u}) {
        std::string plain;
        ASSERT_EQ(wire.Open(wire.Seal(Text(n)), &plain, slice), Verdict::kOk) << n << "/" << slice;
        ASSERT_EQ(plain, Text(n)) << n << "/" << slice;
      }
    }
    EXPECT_EQ(wire.counters.records_in, wire.counters.records_out);
  }
}

TEST(RecordLayer, RecordsAreFullAndNoLonger) {
  // Goal: the limit of RFC 8446 5.1 at n - 1, n, n + 1.
  for (const auto& [bytes, records] : {std::pair{16'383u, 1u}, {16'384u, 1u}, {16'385u, 2u}}) {
    Wire wire;
    const std::string sealed = wire.Seal(Text(bytes));
    EXPECT_EQ(wire.counters.records_out, records);
    EXPECT_EQ(sealed.size(), bytes + records * kRecordOverheadBytes);
    EXPECT_EQ(sealed.substr(0, 3), std::string("\x17\x03\x03"));
  }
}

TEST(RecordLayer, SmallPoolsMakeSmallerRecords) {
  Wire wire(Suite::kAes128GcmSha256, 2048);
  std::string plain;
  const std::string sealed = wire.Seal(Text(10'000));
  EXPECT_EQ(wire.counters.records_out, (10'000 + 2025) / 2026u);
  EXPECT_EQ(wire.Open(sealed, &plain, 2000), Verdict::kOk);
  EXPECT_EQ(plain, Text(10'000));
}

TEST(RecordLayer, RefusesEveryAlteredByte) {
  // Goal: each byte of a record flipped in turn is found. Method: the header's version is ignored
  // by the standard but covered by the tag; the type and length have verdicts of their own.
  Wire wire;
  const std::string record = wire.Seal("hello, mesh");
  for (size_t i = 0; i < record.size(); ++i) {
    std::string altered = record;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    wire.read.sequence = 0;
    std::string plain;
    const Verdict verdict = wire.Open(altered, &plain);
    EXPECT_NE(verdict, Verdict::kOk) << i;
    if (i == 0) {
      EXPECT_EQ(verdict, Verdict::kUnexpectedMessage);
    } else if (i < 3 || i > 4) {
      EXPECT_EQ(verdict, Verdict::kBadRecordMac) << i;
    }
    EXPECT_EQ(plain, "");
  }
}

TEST(RecordLayer, RefusesReorderedReplayedAndMissingRecords) {
  Wire wire;
  const std::string a = wire.Seal("a"), b = wire.Seal("b"), c = wire.Seal("c");
  std::string plain;
  EXPECT_EQ(wire.Open(b + a, &plain), Verdict::kBadRecordMac);
  wire.read.sequence = 0;
  EXPECT_EQ(wire.Open(a + a, &plain), Verdict::kBadRecordMac);
  wire.read.sequence = 0;
  EXPECT_EQ(wire.Open(a + c, &plain), Verdict::kBadRecordMac);
  EXPECT_EQ(plain, "aa");
  wire.read.sequence = 0;
  EXPECT_EQ(wire.Open(a + b + c, &plain), Verdict::kOk);
}

TEST(RecordLayer, WaitsForTheRestOfARecord) {
  // Goal: cut anywhere, nothing is taken and the rest completes it; at no cut is it an error.
  for (size_t cut = 0; cut < 33; ++cut) {
    Wire wire;
    const std::string record = wire.Seal("hello, mesh");
    ASSERT_EQ(record.size(), 33u);
    Chain in;
    ASSERT_TRUE(AppendCopy(&wire.pool, std::string_view(record).substr(0, cut), &in));
    Opened opened;
    ASSERT_EQ(wire.layer.Open(BufferUse::kInPlace, &wire.read, &in, &opened), Verdict::kNeedMore);
    ASSERT_EQ(in.size(), cut);
    ASSERT_TRUE(AppendCopy(&wire.pool, std::string_view(record).substr(cut), &in));
    ASSERT_EQ(wire.layer.Open(BufferUse::kInPlace, &wire.read, &in, &opened), Verdict::kOk);
    EXPECT_EQ(opened.content.ToString(), "hello, mesh");
  }
}

TEST(RecordLayer, LimitsTheLengthsOfWhatComesIn) {
  // Goal: RFC 8446 5.2 and 5.4 at n and n + 1: 2^14 + 1 inner bytes, 2^14 + 256 sealed bytes.
  const std::string content(16'384, 'x');
  struct Row {
    const char* name;
    std::string inner;
    Verdict verdict;
  };
  const Row rows[] = {
      {"full", content + '\x17', Verdict::kOk},
      {"one more with its padding", content + '\x17' + '\0', Verdict::kRecordOverflow},
      {"as long as allowed outside", std::string(16'624, 'x'), Verdict::kRecordOverflow},
      {"padding only to the limit", '\x17' + std::string(16'384, '\0'), Verdict::kOk},
  };
  for (const Row& row : rows) {
    Wire wire;
    std::string plain;
    EXPECT_EQ(wire.Open(wire.SealInner(row.inner), &plain), row.verdict) << row.name;
  }
  Wire wire;
  std::string plain;
  // Refused by its header alone, before its bytes are waited for.
  EXPECT_EQ(wire.Open(std::string("\x17\x03\x03\x41\x01", 5), &plain), Verdict::kRecordOverflow);
  EXPECT_EQ(wire.Open(std::string("\x17\x03\x03\x41\x00", 5), &plain), Verdict::kNeedMore);
  EXPECT_EQ(wire.Open(std::string("\x17\x03\x03\x00\x10", 5), &plain), Verdict::kBadRecordMac);
  EXPECT_EQ(wire.Open(std::string("\x17\x03\x03\x00\x11", 5), &plain), Verdict::kNeedMore);
}

TEST(RecordLayer, FindsTheTypeBehindThePadding) {
  struct Row {
    const char* name;
    std::string inner;
    ContentType type;
    std::string content;
    Verdict verdict = Verdict::kOk;
  };
  const Row rows[] = {
      {"none", std::string("ab\x17", 3), ContentType::kApplicationData, "ab"},
      {"some", std::string("ab\x17\0\0\0", 6), ContentType::kApplicationData, "ab"},
      {"zeros inside", std::string("a\0\0b\x16\0", 6), ContentType::kHandshake,
       std::string("a\0\0b", 4)},
      {"empty", std::string("\x17", 1), ContentType::kApplicationData, ""},
      {"empty, padded", std::string("\x15\0\0", 3), ContentType::kAlert, ""},
      {"all zeros", std::string("\0\0\0", 3), ContentType::kInvalid, "",
       Verdict::kUnexpectedMessage},
  };
  for (const Row& row : rows) {
    for (const uint32_t slice : {1u, 3u, 100u}) {
      Wire wire;
      std::string plain;
      EXPECT_EQ(wire.Open(wire.SealInner(row.inner), &plain, slice), row.verdict) << row.name;
      EXPECT_EQ(plain, row.content) << row.name;
      EXPECT_EQ(wire.type, row.type) << row.name;
    }
  }
}

TEST(RecordLayer, KeysChangeTogether) {
  Wire wire;
  std::string plain;
  EXPECT_EQ(wire.Open(wire.Seal("one"), &plain), Verdict::kOk);
  wire.layer.Update(&wire.write);
  const std::string sealed = wire.Seal("two");
  wire.layer.Update(&wire.read);
  EXPECT_EQ(wire.Open(sealed, &plain), Verdict::kOk);
  EXPECT_EQ(plain, "onetwo");
  wire.layer.Update(&wire.write);
  EXPECT_EQ(wire.Open(wire.Seal("three"), &plain), Verdict::kBadRecordMac);
}

TEST(RecordLayer, LeavesSharedBuffersAlone) {
  // Goal: bytes that somebody else views are neither sealed over nor opened over.
  Wire wire;
  Chain plain;
  ASSERT_TRUE(AppendCopy(&wire.pool, Text(5000), &plain));
  const Chain kept = plain.Share(0, 5000);
  Chain records;
  ASSERT_TRUE(
      wire.layer.Seal(ContentType::kApplicationData, std::move(plain), &wire.write, &records));
  EXPECT_EQ(kept.ToString(), Text(5000));
  const std::string sealed = records.ToString();
  const Chain kept_records = records.Share(0, records.size());
  Opened opened;
  EXPECT_EQ(UseOf(records), BufferUse::kCopy);
  ASSERT_EQ(wire.layer.Open(UseOf(records), &wire.read, &records, &opened), Verdict::kOk);
  EXPECT_EQ(opened.content.ToString(), Text(5000));
  EXPECT_EQ(kept_records.ToString(), sealed);
  EXPECT_EQ(wire.counters.opened_copied, 1u);
}

TEST(RecordLayer, SealsInPlaceWhereThereIsRoom) {
  // Goal: a lone slice with 5 bytes before and 17 behind it is sealed where it lies; with one less
  // on either side, or a second view, it is not.
  struct Row {
    uint32_t front, back;
    bool shared, in_place;
  };
  for (const Row& row : {Row{5, 17, false, true}, Row{4, 17, false, false},
                         Row{5, 16, false, false}, Row{5, 17, true, false}}) {
    Wire wire;
    Slice slice = wire.pool.Allocate(row.front + 100 + row.back);
    std::fill_n(slice.mutable_data(), slice.size(), 'p');
    slice.RemovePrefix(row.front);
    slice.RemoveSuffix(row.back);
    const uint8_t* data = slice.data();
    const Slice second = row.shared ? slice : Slice();
    Chain records;
    ASSERT_TRUE(wire.layer.Seal(ContentType::kApplicationData, Chain(std::move(slice)), &wire.write,
                                &records));
    EXPECT_EQ(records.front().data() + 5 == data, row.in_place);
    EXPECT_EQ(wire.counters.sealed_in_place, row.in_place ? 1u : 0u);
    std::string plain;
    EXPECT_EQ(wire.Open(records.ToString(), &plain), Verdict::kOk);
    EXPECT_EQ(plain, std::string(100, 'p'));
  }
}

TEST(RecordLayer, SaysSoWhenThePoolIsEmpty) {
  Wire wire(Suite::kAes128GcmSha256, 20'000, 3);
  Chain content;
  ASSERT_TRUE(AppendCopy(&wire.pool, "abc", &content));
  const Slice other = wire.pool.Allocate(1);
  Slice third = wire.pool.Allocate(1);
  Chain records;
  EXPECT_FALSE(
      wire.layer.Seal(ContentType::kApplicationData, std::move(content), &wire.write, &records));
  third = Slice();
  Wire full(Suite::kAes128GcmSha256, 20'000, 1);
  Chain in;
  ASSERT_TRUE(AppendCopy(&full.pool, Wire().Seal("abc"), &in));
  Opened opened;
  EXPECT_EQ(full.layer.Open(BufferUse::kCopy, &full.read, &in, &opened), Verdict::kNoMemory);
}

TEST(RecordLayer, SurvivesRandomSlicingAndSharing) {
  // Goal: seeded chains of random slices, some shared, through both ends: bytes come out the same.
  Prng prng(9);
  Wire wire;
  std::string sent, got;
  Chain in;
  for (int round = 0; round < 300; ++round) {
    Chain content, kept;
    for (uint64_t parts = 1 + prng.Below(6); parts > 0; --parts) {
      ASSERT_TRUE(
          AppendCopy(&wire.pool, Text(1 + prng.Below(prng.Chance(1, 4) ? 9000 : 200)), &content));
    }
    sent += content.ToString();
    if (prng.Chance(1, 3)) kept = content.Share(0, content.size());
    Chain records;
    ASSERT_TRUE(
        wire.layer.Seal(ContentType::kApplicationData, std::move(content), &wire.write, &records));
    while (!records.empty()) {
      in.Append(records.TakePrefix(1 + prng.Below(records.size())));
      Opened opened;
      Verdict verdict;
      while ((verdict = wire.layer.Open(UseOf(in), &wire.read, &in, &opened)) == Verdict::kOk) {
        got += opened.content.ToString();
      }
      ASSERT_EQ(verdict, Verdict::kNeedMore);
    }
  }
  EXPECT_EQ(got, sent);
}

}  // namespace
}  // namespace meltemi::tls
