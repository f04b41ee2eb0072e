// The deleter of a C library's object: std::unique_ptr<BIO, FreeWith<&BIO_free>>.
#ifndef MELTEMI_L7_BASE_FREE_WITH_H_
#define MELTEMI_L7_BASE_FREE_WITH_H_

namespace meltemi {

template <auto kFree>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

}  // namespace meltemi

#endif  // MELTEMI_L7_BASE_FREE_WITH_H_
