#include "control/pilot/registry/file/store.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace meltemi::control::pilot::registry {
namespace {

ObjectName NameOf(const model::Meta& meta) { return {meta.kind, meta.ns, meta.name}; }

// Which file holds an object, and how many objects each file holds.
struct Places {
  std::map<ObjectName, const model::Document*> documents;
  std::map<std::string, int> counts;

  explicit Places(const model::Objects& objects) {
    for (const model::Document& document : objects.documents) {
      documents.emplace(NameOf(document.meta), &document);
      ++counts[document.meta.file];
    }
  }
};

model::Problem Shared(const model::Document& document, const std::string& file) {
  return {file, document.meta.Object(), "",
          absl::StrCat("is written in ", document.meta.file,
                       " together with other objects: edit that file")};
}

}  // namespace

Compiled Compile(const Files& files, const std::string& domain) {
  Compiled out;
  for (const auto& [name, text] : files) {
    model::ParseText(name, text, &out.objects, &out.problems);
  }
  // Checks between objects that were only half read would report what is not there.
  if (out.problems.empty()) out.model = model::BuildModel(out.objects, domain, &out.problems);
  return out;
}

Plan PlanApply(const Files& now, const std::vector<std::pair<std::string, std::string>>& given,
               const std::string& domain) {
  Plan plan;
  const Compiled current = Compile(now, domain);
  const Places places(current.objects);
  model::Objects wanted;
  for (const auto& [name, text] : given) model::ParseText(name, text, &wanted, &plan.problems);
  if (plan.problems.empty() && wanted.documents.empty()) {
    plan.problems.push_back({given.empty() ? "" : given[0].first, "", "", "no object in it"});
  }
  Files kept = now;
  for (const model::Document& document : wanted.documents) {
    const ObjectName name = NameOf(document.meta);
    std::string file = FileFor(name);
    Outcome outcome = Outcome::kCreated;
    if (const auto it = places.documents.find(name); it != places.documents.end()) {
      file = it->second->meta.file;
      const bool same = it->second->yaml == document.yaml;
      outcome = same ? Outcome::kUnchanged : Outcome::kChanged;
      if (!same && places.counts.at(file) > 1) {
        plan.problems.push_back(Shared(*it->second, document.meta.file));
      }
      if (same) {
        plan.results.emplace_back(name, outcome);
        continue;
      }
    }
    if (plan.write.contains(file)) {
      plan.problems.push_back({document.meta.file, document.meta.Object(), "", "given twice"});
    }
    plan.write[file] = document.yaml;
    if (document.meta.kind == "Secret") plan.secret.insert(file);
    plan.results.emplace_back(name, outcome);
    kept.erase(file);
  }
  if (!plan.problems.empty()) return plan;
  // Validated as a whole, the new objects under the names the operator knows them by.
  model::Objects all;
  for (const auto& [name, text] : kept) model::ParseText(name, text, &all, &plan.problems);
  for (const model::Document& document : wanted.documents) {
    const auto it = places.documents.find(NameOf(document.meta));
    const bool same = it != places.documents.end() && it->second->yaml == document.yaml;
    if (!same) model::ParseText(document.meta.file, document.yaml, &all, &plan.problems);
  }
  if (plan.problems.empty()) plan.model = model::BuildModel(all, domain, &plan.problems);
  return plan;
}

Plan PlanDelete(const Files& now, const std::vector<ObjectName>& names, const std::string& domain) {
  Plan plan;
  const Compiled current = Compile(now, domain);
  const Places places(current.objects);
  Files kept = now;
  for (const ObjectName& name : names) {
    const auto it = places.documents.find(name);
    if (it == places.documents.end()) {
      plan.problems.push_back(
          {"", absl::StrCat(name.kind, " ", name.ns, "/", name.name), "", "not found"});
      continue;
    }
    const std::string& file = it->second->meta.file;
    if (places.counts.at(file) > 1) {
      plan.problems.push_back(Shared(*it->second, ""));
      continue;
    }
    plan.remove.insert(file);
    kept.erase(file);
  }
  if (plan.problems.empty()) plan.problems = Compile(kept, domain).problems;
  return plan;
}

std::string FileFor(const ObjectName& name) {
  return absl::StrCat(absl::AsciiStrToLower(name.kind), ".", name.ns, ".", name.name, ".yaml");
}

bool IsObjectFile(const std::string& name) {
  return !name.empty() && name[0] != '.' &&
         (absl::EndsWith(name, ".yaml") || absl::EndsWith(name, ".yml") ||
          absl::EndsWith(name, ".json"));
}

void Debouncer::Event(absl::Time now) {
  if (first_ == absl::InfiniteFuture()) first_ = now;
  last_ = now;
}

absl::Time Debouncer::due() const {
  if (first_ == absl::InfiniteFuture()) return absl::InfiniteFuture();
  return std::min(last_ + quiet_, first_ + longest_);
}

}  // namespace meltemi::control::pilot::registry
