import { checkFunction, checkKnownKeys, checkName, checkObject, invalidError, readServerDelay, SdError } from '@sd/core'
import { describeAlert } from './alert.ts'
import type { AlertChannel, AlertNotification, ChannelSettings } from './channel.ts'

/** Options of {@link createWebhookChannel}. */
export interface WebhookChannelOptions extends ChannelSettings {
  /** URL to post to. Treated as a secret, because URLs of chat services are. */
  readonly url: string
  /** Further header fields, such as `authorization`. @default none */
  readonly headers?: Readonly<Record<string, string>>
  /** Returns the JSON body. @default `{ text, alerts }`; the text has a line for each alert, as chat services expect */
  readonly format?: (notification: AlertNotification) => unknown
}

const keys = ['name', 'timeoutMs', 'maxAttempts', 'url', 'headers', 'format']

/**
 * Creates a channel that posts JSON to a URL. Failures are retried soon, but not before `Retry-After`; a 4xx other than 408, 425
 * and 429 is a permanent rejection. Redirects are not followed.
 *
 * @throws SdError `SD_INVALID` that names the option
 */
export function createWebhookChannel(options: WebhookChannelOptions): AlertChannel {
  checkKnownKeys('', checkObject('options', options), keys)
  const { name, url, headers = {}, format = toText, ...limits } = options
  checkName('name', name)
  checkUrl(url)
  checkFunction('format', format)
  const fields = readHeaders(headers)
  return {
    ...limits,
    name,
    async send(notification, { signal }) {
      const body = JSON.stringify(format(notification))
      let response: Response
      try {
        response = await fetch(url, { method: 'POST', headers: fields, body, redirect: 'manual', signal })
        await response.body?.cancel()
      } catch (error) {
        throw new SdError('SD_UNAVAILABLE', `Webhook ${name} is unreachable (${codeOf(error)})`)
      }
      const { status } = response
      if (status >= 200 && status < 300) return
      const retryable = status >= 500 || status === 408 || status === 425 || status === 429
      const retryAfterMs = Math.max(0, readServerDelay(response.headers) ?? 0)
      const code = retryable ? 'SD_UNAVAILABLE' : 'SD_DENIED'
      throw new SdError(code, `Webhook ${name} returned status ${status}`, {
        retryable,
        ...(retryAfterMs > 0 && { retryAfterMs }),
      })
    },
  }
}

function toText(notification: AlertNotification): unknown {
  return { text: notification.alerts.map(describeAlert).join('\n'), alerts: notification.alerts }
}

// Without message and cause of the fetch error, which can contain the URL.
function codeOf(error: unknown): string {
  const { name, cause } = error as { readonly name?: string; readonly cause?: { readonly code?: string } }
  return cause?.code ?? name ?? 'unknown'
}

function checkUrl(url: unknown): void {
  const parsed = typeof url === 'string' ? URL.parse(url) : null
  const isRight = parsed !== null && /^https?:$/.test(parsed.protocol) && parsed.username === '' && parsed.password === ''
  if (!isRight) throw invalidError('url', 'an invalid URL', 'an http or https URL without credentials (put them into headers)')
}

function readHeaders(headers: Readonly<Record<string, string>>): Headers {
  try {
    return new Headers({ 'content-type': 'application/json', ...checkObject('headers', headers) } as Record<string, string>)
  } catch {
    throw invalidError('headers', 'invalid fields', 'valid HTTP header fields')
  }
}
