import { expect, test } from 'vitest'
import { checkErrorCodes, renderErrorTable } from './error-codes.ts'
import { type Package, readPackages } from './workspace.ts'

function packageOf(folder: string, file: string, text: string): Package {
  return { folder, path: '', manifest: { name: '', version: '' }, readme: '', sources: new Map([[file, text]]) }
}

test('the codes in packages, core and documentation match', () => {
  expect(checkErrorCodes(readPackages())).toEqual([])
})

test('a code without a row, and a row without a code, are reported', () => {
  const core = packageOf('core', 'src/errors.ts', '/**\n * | `SD_OLD` | was thrown once | no | local |\n */')
  const other = packageOf('other', 'src/index.ts', "throw new SdError('SD_NEW', '') // 'SD_COMMENT'")
  expect(checkErrorCodes([core, other])).toEqual([
    'other: SD_NEW is not in the table of SdErrorCode, in packages/core/src/errors.ts',
    'packages/core/src/errors.ts: no package throws SD_OLD',
  ])
  expect(renderErrorTable([core])).toContain('| `SD_OLD` | was thrown once | no | local |  |')
})
