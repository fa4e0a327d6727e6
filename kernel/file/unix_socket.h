// SPDX-License-Identifier: BSD-2-Clause
// UnixSocket: the open file over an AF_UNIX endpoint.
#pragma once

#include "file/file.h"
#include "file/unix_endpoint.h"

namespace tine::file {

class UnixSocket final : public File, public mem::FromCache<UnixSocket> {
 public:
  static constexpr char kType = 0;

  // `flags`: 0 or kNonBlock. When it fails, the endpoint is closed.
  static Result<Ref<UnixSocket>> create(Ref<UnixEndpoint> endpoint, uint32_t flags);
  ~UnixSocket() override;

  UnixEndpoint& endpoint() const { return *endpoint_; }

  Result<size_t> read(IoBuffer& into, uint64_t* offset) override;
  Result<size_t> write(IoBuffer& from, uint64_t* offset) override;
  PollEvents poll(Poller* poller) override { return endpoint_->poll(poller); }
  Result<uint64_t> control(uint32_t command, uint64_t argument) override;
  Result<> stat(Stat& stat) override;
  const char* kind() const override { return "socket"; }
  const void* type() const override { return &kType; }

 private:
  template <class T, class... Args>
  friend Result<T*> mem::make(Args&&...);
  UnixSocket(Ref<UnixEndpoint> endpoint, uint32_t flags);

  const Ref<UnixEndpoint> endpoint_;
  const uint64_t inode_;
};

}  // namespace tine::file
