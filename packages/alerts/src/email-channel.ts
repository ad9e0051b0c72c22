import { checkBoolean, checkInteger, checkKnownKeys, checkName, checkObject, checkText, invalidError, SdError } from '@sd/core'
import { checkPemSource, createTlsSource, type TlsCertificates } from '@sd/tls'
import { describeAlert } from './alert.ts'
import type { AlertChannel, AlertNotification, ChannelSettings } from './channel.ts'

/** A mail server. */
export interface SmtpServer {
  /** Host name. */
  readonly host: string
  /** TCP port. @default 465 if `secure`, otherwise 587 */
  readonly port?: number
  /** Whether the connection uses TLS from the start. Otherwise it uses STARTTLS. @default false */
  readonly secure?: boolean
  /** Whether TLS is required. Without it mails can be read in transit. @default true */
  readonly requireTls?: boolean
  /** Credentials. @default no login */
  readonly auth?: {
    /** User name. */
    readonly user: string
    /** Password. */
    readonly pass: string
  }
  /**
   * Options of `node:tls`, such as `ca`. `ca`, `cert` and `key` can be functions that return PEM, or `{ file }`; both are read again for new mails.
   *
   * @default none
   */
  readonly tls?: object
}

/** The part of a nodemailer transport that is used, for custom transports. */
export interface MailTransport {
  /** Sends a mail. */
  sendMail(mail: {
    readonly from: string
    readonly to: string[]
    readonly subject: string
    readonly text: string
  }): Promise<unknown>
}

/** Options of {@link createEmailChannel}. */
export interface EmailChannelOptions extends ChannelSettings {
  /** The mail server, or a custom nodemailer transport. */
  readonly transport: SmtpServer | MailTransport
  /** Address of the sender. */
  readonly from: string
  /** Addresses of the recipients. */
  readonly to: string | readonly string[]
}

/** Delay after a temporary rejection, in milliseconds. */
const temporaryMs = 60_000

const keys = ['name', 'timeoutMs', 'maxAttempts', 'transport', 'from', 'to']
const smtpKeys = ['host', 'port', 'secure', 'requireTls', 'auth', 'tls']

/**
 * Creates a channel that sends plain text mails. The package `nodemailer` is loaded with the first mail.
 *
 * @throws SdError `SD_INVALID` that names the option. `send` throws `SD_UNSUPPORTED` without `nodemailer`, `SD_DENIED`, `SD_UNAVAILABLE`
 */
export function createEmailChannel(options: EmailChannelOptions): AlertChannel {
  checkKnownKeys('', checkObject('options', options), keys)
  const { name, transport, from, to, ...limits } = options
  checkName('name', name)
  checkAddress('from', from)
  const recipients = typeof to === 'string' ? [to] : [...to]
  if (recipients.length === 0) throw invalidError('to', to, 'at least one address')
  for (const [index, address] of recipients.entries()) checkAddress(`to[${index}]`, address)
  const own = isTransport(transport) ? transport : undefined
  const server = isTransport(transport) ? undefined : checkServer(transport)
  let created: Promise<MailTransport> | undefined
  let owed: { readonly text: string; readonly to: readonly string[] } | undefined
  return {
    ...limits,
    name,
    async send(notification) {
      created ??= own ? Promise.resolve(own) : createTransport(server as SmtpServer, limits.timeoutMs ?? 10_000)
      const sender = await created
      const mail = compose(notification)
      // Recipients that an earlier attempt has reached do not get the mail twice.
      const to = owed?.text === mail.text ? owed.to : recipients
      try {
        const refused = refusedOf(await sender.sendMail({ from, to: [...to], ...mail }))
        owed = refused.to.length > 0 ? { text: mail.text, to: refused.to } : undefined
        if (refused.to.length > 0) throw refused.error
      } catch (error) {
        throw describeFailure(name, error)
      }
    },
  }
}

/** Recipients that the server rejected while it accepted the mail for others, as reported by nodemailer, and the error of one of them. */
function refusedOf(info: unknown): { readonly to: readonly string[]; readonly error: unknown } {
  const { rejected = [], rejectedErrors = [] } = (info ?? {}) as {
    readonly rejected?: readonly unknown[]
    readonly rejectedErrors?: readonly { readonly responseCode?: number }[]
  }
  // One temporary rejection makes another attempt useful for all of them.
  const error = rejectedErrors.find(({ responseCode = 0 }) => responseCode < 500) ?? rejectedErrors[0] ?? { code: 'EENVELOPE' }
  return { to: rejected.map(String), error }
}

function compose({ alerts }: AlertNotification): { readonly subject: string; readonly text: string } {
  const lines = alerts.map(describeAlert)
  const subject = lines.length === 1 ? `${lines[0]}` : `${lines.length} alerts: ${lines[0]}`
  const paragraphs = alerts.map((alert, index) => {
    // Indented, so that lines of a text can't look like those of another alert.
    const details = Object.entries(alert.metadata).map(
      ([name, text]) => `  ${name}: ${text.replaceAll(/\r\n|[\r\n\u2028\u2029]/g, '\n    ')}`,
    )
    return [lines[index], `  since ${new Date(alert.firingAt ?? alert.activeAt).toISOString()}`, ...details].join('\n')
  })
  return { subject: subject.slice(0, 200), text: `${paragraphs.join('\n\n')}\n` }
}

async function createTransport(server: SmtpServer, timeoutMs: number): Promise<MailTransport> {
  const { host, secure = false, port = secure ? 465 : 587, requireTls = true, auth, tls } = server
  const { createTransport: create } = await import('nodemailer').catch(() => {
    throw new SdError('SD_UNSUPPORTED', "E-mail channels need the package nodemailer: run 'npm install nodemailer'")
  })
  // nodemailer does not accept a signal: its own timeouts release the socket.
  const limits = { connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs, dnsTimeout: timeoutMs }
  const encryption = { secure, requireTLS: requireTls && !secure, ignoreTLS: false }
  const make = (certificates: TlsCertificates): MailTransport =>
    create({
      ...{ host, port, ...encryption, ...limits, ...(auth && { auth: { ...auth } }) },
      ...(tls && { tls: { ...tls, ...certificates } }),
    })
  const followed = Object.entries(tls ?? {}).filter(isFollowed)
  if (followed.length === 0) return make({})
  const source = createTlsSource(Object.fromEntries(followed))
  let current: TlsCertificates | undefined
  let transport: MailTransport | undefined
  return {
    async sendMail(mail) {
      const now = await source.current()
      if (!transport || now !== current) transport = make(now)
      current = now
      return transport.sendMail(mail)
    },
  }
}

/** Whether an option is certificates or a key that can change before the next mail. */
function isFollowed([key, value]: readonly [string, unknown]): boolean {
  if (!['ca', 'cert', 'key'].includes(key)) return false
  return typeof value === 'function' || (typeof value === 'object' && value !== null && 'file' in value)
}

// Without the message of the server, which can repeat the request.
function describeFailure(name: string, error: unknown): SdError {
  if (error instanceof SdError) return error
  const { code = 'unknown', responseCode } = error as { readonly code?: string; readonly responseCode?: number }
  const message = `E-mail ${name} was not sent (${responseCode === undefined ? code : `${code}, ${responseCode}`})`
  if (code === 'EAUTH') return new SdError('SD_DENIED', message)
  // RFC 5321, 4.2.1: 5yz is permanent, 4yz is temporary. Greylisting rejects retries within the first minutes.
  const isFinal = responseCode !== undefined && responseCode >= 500
  const isLater = responseCode !== undefined && responseCode >= 400 && !isFinal
  return new SdError('SD_UNAVAILABLE', message, { retryable: !isFinal, ...(isLater && { retryAfterMs: temporaryMs }) })
}

function isTransport(transport: SmtpServer | MailTransport): transport is MailTransport {
  return typeof (transport as Partial<MailTransport> | undefined)?.sendMail === 'function'
}

function checkServer(server: SmtpServer): SmtpServer {
  checkKnownKeys('transport', checkObject('transport', server), smtpKeys)
  checkName('transport.host', server.host)
  if (server.port !== undefined) checkInteger('transport.port', server.port, { min: 1, max: 65_535 })
  checkBoolean('transport.secure', server.secure ?? false)
  checkBoolean('transport.requireTls', server.requireTls ?? true)
  const followed = Object.entries(checkObject('transport.tls', server.tls ?? {})).filter(isFollowed)
  for (const [key, value] of followed) checkPemSource(`transport.tls.${key}`, value)
  if (server.auth !== undefined) {
    checkText('transport.auth.user', checkObject('transport.auth', server.auth)['user'], 1_000)
    if (typeof server.auth.pass !== 'string') throw invalidError('transport.auth.pass', 'a value of another type', 'a string')
  }
  return server
}

function checkAddress(field: string, address: unknown): void {
  if (!checkName(field, address, 1_000).includes('@')) throw invalidError(field, address, 'an e-mail address')
}
