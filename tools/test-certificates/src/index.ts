export { type Certificate, type CertificateSet, createCertificates } from './certificates.ts'
export { createRotation, type Rotation } from './rotation.ts'
