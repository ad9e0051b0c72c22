export { type BalancerHarness, balancerContract } from './balancer-contract.ts'
export type { BreakerHarness } from './breaker-context.ts'
export { breakerContract } from './breaker-contract.ts'
export { configSourceContract } from './config-source-contract.ts'
export type { ConfigBackend, ConfigSourceHarness } from './config-source-harness.ts'
export { bindCases, type CaseBody, type ContractCase } from './contract.ts'
export { discovererContract } from './discoverer-contract.ts'
export { assertDistribution, countPicks } from './distribution.ts'
export { acquire, createTestEndpoints, createTestView, release } from './endpoints.ts'
export type {
  FramingCase,
  FramingExpectation,
  FramingObservation,
  FramingPiece,
  FramingProtocol,
  FramingWords,
  FrontAnswer,
  FrontResponse,
  SeenRequest,
  UpstreamScript,
} from './framing/framing-case.ts'
export { type FramingHarness, framingCases, framingCasesFor, framingContract } from './framing/framing-contract.ts'
export { type FramingFuzzOptions, type FramingFuzzResult, fuzzFraming } from './framing/framing-fuzz.ts'
export { type FramingAddress, type FramingUpstream, startFramingUpstream } from './framing/framing-upstream.ts'
export { encodeFields } from './framing/hpack.ts'
export type { FramingField } from './framing/http1-reader.ts'
export { clientPreface, frameTypes, writeFrame } from './framing/http2-frames.ts'
export { type FramingResult, type FramingTarget, runFramingCase } from './framing/run-case.ts'
export { createHostileValues, type HostileValues } from './hostile-values.ts'
export { type LockBackend, type LockHarness, lockContract } from './lock-contract.ts'
export { protocolContract } from './protocol/protocol-contract.ts'
export type { ProtocolAddress, ProtocolGateway, ProtocolHarness, ProtocolSetup } from './protocol/protocol-harness.ts'
export { type RateLimiterBackend, type RateLimiterHarness, rateLimiterContract } from './rate-limiter-contract.ts'
export { registryContract } from './registry-contract.ts'
export type { DiscovererBackend, DiscovererHarness, RegistryBackend, RegistryHarness } from './registry-harness.ts'
export { type ConfigSample, configSamples, fullSpec, hostileMetadata, hostileNames, plainSpec } from './samples.ts'
export { createSeededRandom } from './seeded-random.ts'
export { createTelemetryCall, publishEverything, stateReports, telemetryTraceId } from './telemetry/sample-telemetry.ts'
export { eventually, probeWatch, type WatchProbe, within } from './waiting.ts'
