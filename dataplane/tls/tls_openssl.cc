// Sessions that stay in OpenSSL: TLS 1.2, and ChaCha20 of TLS 1.3. Bytes are copied in and out.
#include <algorithm>
#include <utility>

#include "dataplane/tls/tls_impl.h"

namespace meltemi::tls {

void Tls::Impl::ReceiveOpenSsl(TlsId id, Session& s, Events* events) {
  SslConnection& connection = *s.connection;
  while (!s.pending.empty()) connection.Feed(s.pending.PopFront().view());
  scratch_.resize(limits::kTlsRecordBytesMax);
  auto* const bytes = reinterpret_cast<uint8_t*>(scratch_.data());
  uint32_t n = 0;
  SslConnection::Result result;
  // Ends: every round uses up input, of which there is at most a window.
  while ((result = connection.Read(bytes, limits::kTlsRecordBytesMax, &n)) ==
         SslConnection::Result::kDone) {
    Chain content;
    if (!AppendCopy(pool_, {scratch_.data(), n}, &content)) {
      ++counters_.error_no_memory;
      return End(id, s, {.error = TlsError::kNoMemory, .detail = "no buffers"}, events);
    }
    ++counters_.records_in;
    counters_.bytes_in += n;
    AddPlain(id, s, std::move(content), events);
  }
  if (SslSessionPtr session = connection.TakeSession();
      session != nullptr && !connection.resumption_key.empty()) {
    client_sessions_.Put(connection.resumption_key, std::move(session));
  }
  std::string out;
  connection.TakeOutput(&out);
  const bool sent = AddWrite(id, s, out, events);
  if (result == SslConnection::Result::kClosed) {
    s.read_closed = true;
    ++counters_.close_notify_in;
    Add(TlsEvent::Kind::kCloseNotify, id, s, events);
  } else if (result == SslConnection::Result::kFailed) {
    SslConnection::Failure failure = connection.failure();
    counters_.alerts_in += failure.error == TlsError::kPeerAlert;
    counters_.error_bad_record_mac += failure.error == TlsError::kBadRecordMac;
    if (failure.error != TlsError::kPeerAlert) {
      counters_.alerts_out += !out.empty();
      if (failure.error != TlsError::kBadRecordMac) {
        failure.error = TlsError::kRecordRefused;
        ++counters_.error_openssl;
      }
    }
    End(id, s, std::move(failure), events);
  } else if (!sent) {
    ++counters_.error_no_memory;
    End(id, s, {.error = TlsError::kNoMemory, .detail = "no buffers"}, events);
  }
}

bool Tls::Impl::SealOpenSsl(Session& s, const Chain& plain, Chain* records) {
  scratch_.resize(limits::kTlsRecordBytesMax);
  auto* const bytes = reinterpret_cast<uint8_t*>(scratch_.data());
  for (size_t done = 0; done < plain.size();) {
    const auto n =
        static_cast<uint32_t>(std::min<size_t>(plain.size() - done, limits::kTlsRecordBytesMax));
    plain.CopyTo(done, n, bytes);
    if (!s.connection->Write(bytes, n)) return false;
    done += n;
    ++counters_.records_out;
    counters_.bytes_out += n;
  }
  return TakeOutput(s, records);
}

bool Tls::Impl::TakeOutput(Session& s, Chain* records) {
  std::string out;
  s.connection->TakeOutput(&out);
  return AppendCopy(pool_, out, records);
}

}  // namespace meltemi::tls
