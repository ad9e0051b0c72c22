// Unpacks Chromium into TMPDIR, with the libraries that a small system lacks: the package does that where it recognises Lambda.
process.env['AWS_EXECUTION_ENV'] = 'AWS_Lambda_nodejs22.x'
const { default: chromium } = await import('@sparticuz/chromium')
await chromium.executablePath()
