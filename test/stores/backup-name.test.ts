import fc from 'fast-check'
import t from 'tap'
import { MAX_NAME } from '../../dist/protocol/names.js'
import { backupName } from '../../dist/stores/backup-name.js'
import { nameProblem } from '../../dist/transfer/names.js'
import { anyName, longName } from '../fixtures/names.ts'

t.test('puts the mark before the extension, and numbers it from the second on', async (t) => {
  t.equal(backupName('file.txt', 1), 'file_bak.txt')
  t.equal(backupName('file.txt', 2), 'file_bak2.txt')
  t.equal(backupName('file.txt', 1000), 'file_bak1000.txt')
})

t.test('knows where an extension begins', async (t) => {
  const names: Record<string, string> = {
    'archive.tar.gz': 'archive_bak.tar.gz',
    'ARCHIVE.TAR.XZ': 'ARCHIVE_bak.TAR.XZ',
    'archive.v1.2.tar.gz': 'archive.v1.2_bak.tar.gz',
    'a.tar.gz': 'a_bak.tar.gz',
    'archive.tar': 'archive_bak.tar',
    'archive.tar.': 'archive.tar._bak',
    '.tar.gz': '.tar_bak.gz',
    'a.tar.gz.sig': 'a.tar.gz_bak.sig',
    README: 'README_bak',
    '.bashrc': '.bashrc_bak',
    '.config.json': '.config_bak.json',
    'name.': 'name._bak',
    'a..b': 'a._bak.b',
    '...': '..._bak',
    'file_bak.txt': 'file_bak_bak.txt',
  }
  for (const [name, backup] of Object.entries(names)) t.equal(backupName(name, 1), backup)
})

t.test('shortens the stem of a long name and keeps its extension', async (t) => {
  t.equal(backupName('a'.repeat(255), 1), `${'a'.repeat(251)}_bak`)
  t.equal(backupName(`${'a'.repeat(251)}.txt`, 1), `${'a'.repeat(247)}_bak.txt`)
  t.equal(backupName(`${'a'.repeat(251)}.txt`, 12), `${'a'.repeat(245)}_bak12.txt`)
  t.equal(backupName(`${'a'.repeat(248)}.tar.gz`, 1), `${'a'.repeat(244)}_bak.tar.gz`)
})

t.test('cuts a long name between characters, never inside one', async (t) => {
  t.equal(backupName(`${'é'.repeat(125)}x.txt`, 1), `${'é'.repeat(123)}_bak.txt`)
  t.equal(backupName(`${'漢'.repeat(85)}`, 1), `${'漢'.repeat(83)}_bak`)
  t.equal(backupName(`${'😀'.repeat(63)}abc`, 1), `${'😀'.repeat(62)}_bak`)
})

t.test('cuts an extension that leaves no room for a stem', async (t) => {
  t.equal(backupName(`a.${'x'.repeat(253)}`, 1), `a.${'x'.repeat(249)}_bak`)
  t.equal(backupName(`😀.${'x'.repeat(249)}`, 1), `😀.${'x'.repeat(246)}_bak`)
})

t.test('gives names that fit, differ from each other, and would be taken themselves', async (t) => {
  let tried = 0
  const numbers = fc.uniqueArray(fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 2 ** 40 })), {
    minLength: 2,
    maxLength: 6,
  })
  const property = fc.property(fc.oneof(longName, anyName), numbers, fc.boolean(), (name, numbers, allowHidden) => {
    for (const platform of ['linux', 'win32'] as const) {
      const rules = { allowHidden, platform }
      // The copy of a name of dots alone begins with a dot, but is no name that any program looks for.
      if (nameProblem(name, rules) !== null || /^\.+$/.test(name)) continue
      tried++
      const backups = numbers.map((number) => backupName(name, number))
      if (new Set(backups).size !== numbers.length) return false
      if (backups.some((backup) => Buffer.byteLength(backup) > MAX_NAME || nameProblem(backup, rules))) return false
    }
    return true
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 3_000 }))
  t.ok(tried > 500, 'and enough names were tried for that to mean something')
})
