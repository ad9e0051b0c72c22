/** Names of the DOM's types, which the libraries use and Node's types lack. */
type HeadersInit = NonNullable<RequestInit['headers']>
type RequestInfo = string | Request
