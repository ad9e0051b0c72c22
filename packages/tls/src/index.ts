export { type AgentCertificates, closeIdleConnections, followAgentCertificates } from './agent-certificates.ts'
export {
  checkPemSource,
  checkTls,
  createTlsSource,
  type PemFile,
  type PemSource,
  SERVER_NAME_METADATA,
  type TlsCertificates,
  type TlsOptions,
  type TlsSource,
} from './tls-options.ts'
