// Goal: no text makes the object parser or the model builder crash, and what the writer writes is
// read back as the same objects. Method: bytes as one file.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "control/pilot/model/model.h"
#include "control/pilot/model/parse.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace model = meltemi::control::pilot::model;
  const std::string text(reinterpret_cast<const char*>(data), size);
  model::Objects objects;
  model::Problems problems;
  model::ParseText("fuzz.yaml", text, &objects, &problems);
  if (!problems.empty()) return 0;
  const bool built = model::BuildModel(objects, "cluster.local", &problems).has_value();
  if (built != problems.empty()) abort();
  for (const model::Document& document : objects.documents) {
    model::Objects again;
    model::Problems none;
    model::ParseText("again.yaml", document.yaml, &again, &none);
    if (!none.empty() || again.documents.size() != 1) abort();
    if (again.documents[0].yaml != document.yaml) abort();
  }
  return 0;
}
