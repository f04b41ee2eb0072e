// Header mutations of routes, virtual hosts and route tables, applied in that order (Envoy's
// most_specific_header_mutations_wins = false: the least specific comes last).
//
// Pure; called by the engine on its worker's thread. False: the pool is exhausted.
#ifndef MELTEMI_L7_ENGINE_HEADER_MUTATION_H_
#define MELTEMI_L7_ENGINE_HEADER_MUTATION_H_

#include <initializer_list>

#include "l7/config/snapshot.h"
#include "l7/http/header_block.h"

namespace meltemi::engine {

bool MutateRequest(std::initializer_list<const config::HeaderMutation*> mutations,
                   http::HeaderBlock* headers);
bool MutateResponse(std::initializer_list<const config::HeaderMutation*> mutations,
                    http::HeaderBlock* headers);

}  // namespace meltemi::engine

#endif  // MELTEMI_L7_ENGINE_HEADER_MUTATION_H_
