export type { AdminPart, DocumentWarning, DrainPart, GatewayDocument, ObservePart, RegisterPart } from './document.ts'
export { type DocumentProblem, describeProblem, type GatewayDocumentError, isGatewayDocumentError } from './error.ts'
export {
  type DocumentConfig,
  type FollowedGatewayDocument,
  type FollowGatewayDocumentOptions,
  followGatewayDocument,
  type GatewayDocumentReport,
  type GatewayDocumentTargets,
} from './follow.ts'
export type { DocumentParts, DocumentUses, LoadParts } from './parts.ts'
export {
  createGatewayDocumentReader,
  type GatewayDocumentReader,
  type GatewayDocumentReaderOptions,
} from './reader.ts'
