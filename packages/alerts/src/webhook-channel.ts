import { checkFunction, checkKnownKeys, checkName, checkObject, invalidError, readServerDelay, SdError } from '@sd/core'
import { describeAlert } from './alert.ts'
import type { AlertChannel, AlertNotification, ChannelSettings } from './channel.ts'

/** Options of {@link createWebhookChannel}. */
export interface WebhookChannelOptions extends ChannelSettings {
  /** Where to post to. Counts as a secret, as those of chat services are. */
  readonly url: string
  /** Further header fields, such as `authorization`. @default none */
  readonly headers?: Readonly<Record<string, string>>
  /** Makes what is sent as JSON. @default `{ text, alerts }`; the text has a line for each alert, as chat services want it */
  readonly format?: (notification: AlertNotification) => unknown
}

const keys = ['name', 'timeoutMs', 'maxAttempts', 'url', 'headers', 'format']

/**
 * Makes a channel that posts JSON to a URL. Tried again soon unless the response is a 4xx other than 408, 425 and 429; not before
 * its `Retry-After`. Redirects are not followed.
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
        throw new SdError('SD_UNAVAILABLE', `Webhook ${name} can't be reached (${codeOf(error)})`)
      }
      const { status } = response
      if (status >= 200 && status < 300) return
      const retryable = status >= 500 || status === 408 || status === 425 || status === 429
      const retryAfterMs = Math.max(0, readServerDelay(response.headers) ?? 0)
      const code = retryable ? 'SD_UNAVAILABLE' : 'SD_DENIED'
      throw new SdError(code, `Webhook ${name} answered ${status}`, { retryable, ...(retryAfterMs > 0 && { retryAfterMs }) })
    },
  }
}

function toText(notification: AlertNotification): unknown {
  return { text: notification.alerts.map(describeAlert).join('\n'), alerts: notification.alerts }
}

// Neither the message nor the cause of fetch's own error: they may have the URL in them.
function codeOf(error: unknown): string {
  const { name, cause } = error as { readonly name?: string; readonly cause?: { readonly code?: string } }
  return cause?.code ?? name ?? 'unknown'
}

function checkUrl(url: unknown): void {
  const parsed = typeof url === 'string' ? URL.parse(url) : null
  const isRight = parsed !== null && /^https?:$/.test(parsed.protocol) && parsed.username === '' && parsed.password === ''
  if (!isRight) throw invalidError('url', 'something else', 'an http or https URL; credentials belong into headers')
}

function readHeaders(headers: Readonly<Record<string, string>>): Headers {
  try {
    return new Headers({ 'content-type': 'application/json', ...checkObject('headers', headers) } as Record<string, string>)
  } catch {
    throw invalidError('headers', 'something else', 'header fields that can be sent')
  }
}
