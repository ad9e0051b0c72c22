import type { NacosResponse } from './nacos-http.ts'

// Conditions that Nacos reports only in its text, because status and code are generic. Each is from the named server
// versions. Contract tests fail when the text changes, on the server that they start, and on an official one if
// SD_TEST_NACOS_OFFICIAL names it.

type ResponseText = Pick<NacosResponse, 'status' | 'text'>

/** Official 2.5 and 3.0: the metadata of an instance is longer than the server accepts. */
export function isTooLong({ status, text }: ResponseText): boolean {
  return status === 400 && isRefusedLength(text)
}

/** The text of {@link isTooLong}, for any API. */
export function isRefusedLength(text: string): boolean {
  return /length should not exceed/i.test(text)
}

/**
 * Official 3.0 with status 400, 2.5 with 500: the missing parameter of a form; all are missing in one of more than 2
 * MiB.
 */
export function missedParameter({ text }: Pick<ResponseText, 'text'>): string | undefined {
  return /Required (?:request )?parameter (?:'|&#39;)(\w+)/.exec(text)?.[1]
}

/**
 * Official 2.5: the user does not exist; official 3.0: the password is wrong. Both with status 500, like any other
 * error.
 */
export function isWrongLogin({ status, text }: ResponseText): boolean {
  return status === 500 && /^caused: User \S+ not found|No message available/.test(text)
}

/** v1: the configuration does not exist. Any other 404 is for a path that the server does not have. */
export function isNoConfig({ status, text }: ResponseText): boolean {
  return status === 404 && text.includes('config data not exist')
}

/** `casMd5` is not that of the text: v1 with status 500, v3 also with code 20005. */
export function isRefusedByMd5({ status, text }: ResponseText): boolean {
  return status >= 400 && /cas publish fail/i.test(text)
}
