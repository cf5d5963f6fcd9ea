import { posix, win32 } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { MAX_NAME } from '../../dist/protocol/names.js'
import { isPortable } from '../../dist/stores/folder-store.js'
import { STAGING } from '../../dist/stores/staging.js'
import { printable } from '../../dist/text.js'
import { checkItemName, checkName, itemProblem, type NameRules, nameProblem } from '../../dist/transfer/names.js'
import { anyName } from '../fixtures/names.ts'

const linux: NameRules = { allowHidden: false, platform: 'linux' }
const linuxHidden: NameRules = { allowHidden: true, platform: 'linux' }
const windows: NameRules = { allowHidden: false, platform: 'win32' }

t.test('refuses a name that would leave the folder', async (t) => {
  const names = ['../evil', 'a/../../evil', '..', 'a/..', '/etc/cron.d/x', '..\\evil', '\\evil', '.', 'a//b', 'a/']
  for (const name of [...names, '/', '\\', 'a\\..\\..\\evil', 'a/./b', '\\\\server\\share', 'a\\']) {
    for (const rules of [linux, linuxHidden, windows]) {
      t.equal(nameProblem(name, rules), 'it would leave the folder', printable(name))
    }
  }
  t.equal(nameProblem('', linux), 'it is empty')
})

t.test('refuses a path, even one that stays inside', async (t) => {
  for (const name of ['a/b', 'a/b/c.txt']) t.equal(nameProblem(name, linuxHidden), 'it is a path, not a name', name)
})

t.test('refuses what could lie on a terminal or in a log', async (t) => {
  const controls = ['a\0b', 'a\nb', 'a\rb', 'a\tb', '\x1b[1A\rharmless', '\x1b]52;c;x\x07', 'a\u009bb', 'a\x7fb']
  const directions = ['\u2028', '\u2029', '\u202a', '\u202d', '\u202e', '\u2066', '\u2069']
  for (const name of [...controls, ...directions.map((character) => `invoice${character}gpj.exe`)]) {
    t.equal(nameProblem(name, linux), 'it holds a control character or a direction override', printable(name))
  }
})

t.test('refuses half of a surrogate pair, which would become another name on disk', async (t) => {
  for (const name of ['\ud800.txt', '\udc00', 'a\udfff\ud800b']) {
    t.equal(nameProblem(name, linux), 'it is not well-formed Unicode', printable(name))
  }
})

t.test('refuses more bytes than a file system takes, counted as UTF-8', async (t) => {
  for (const name of ['a'.repeat(256), 'é'.repeat(128), '😀'.repeat(64)]) {
    t.equal(nameProblem(name, linux), 'it has 256 bytes, and 255 is the limit')
  }
  t.equal(nameProblem('a/'.repeat(2_500), linux), 'it has 5000 bytes, and 255 is the limit')
  for (const name of ['a'.repeat(255), `${'é'.repeat(127)}x`, `${'😀'.repeat(63)}xyz`]) {
    t.equal(nameProblem(name, linux), null)
  }
})

t.test('refuses the name of the staging folder, in any case', async (t) => {
  for (const name of [STAGING, '.TCP-Recv']) {
    t.equal(nameProblem(name, linuxHidden), 'it is the name of the staging folder', name)
  }
  t.equal(nameProblem(`${STAGING}2`, linuxHidden), null)
})

t.test('refuses a hidden name unless they are allowed', async (t) => {
  for (const name of ['.bashrc', '.ssh', '..hidden', '...', '....']) {
    t.match(nameProblem(name, linux), /begins with a dot .* --allow-hidden/, name)
    t.equal(nameProblem(name, linuxHidden), null, name)
  }
})

t.test('takes every other name as it is', async (t) => {
  const undecoded = ['%2e%2e%2f', 'a%2fb', '．．／x', 'a\\x2db', '%00', '&#46;']
  const shell = ['-rf', '--help', '~', '$(id)', '`id`', '; rm x', '* ?', "it's", '"quoted"', '|', '<>']
  const odd = ['aux.c', 'a:b.log', 'name.', ' name', ' ', 'CON', 'README', 'readme', '__proto__']
  const unicode = ['👨‍👩‍👧.png', '\u200eعربي\u200f.txt', '\u061cملف', 'é', 'e\u0301', '漢字', '\ufeffbom', '\ufffd']
  for (const name of [...undecoded, ...shell, ...odd, ...unicode]) {
    t.equal(nameProblem(name, linux), null, printable(name))
  }
})

t.test('keeps to the rules of Windows there', async (t) => {
  const devices = ['con', 'PRN', 'aux.c', 'nul.txt', 'com1', 'COM¹.log', 'lpt9.tar.gz', 'CONIN$', 'conout$', 'com0']
  const forbidden = ['a:b', 'a<b', 'a>b', 'a"b', 'a|b', 'a?b', 'a*b', 'a\\b', 'name.', 'name ']
  for (const name of [...devices, ...forbidden]) {
    t.equal(nameProblem(name, windows), 'Windows does not allow it', name)
    t.equal(nameProblem(name, linux), null, name)
  }
  for (const name of ['console', 'aux2', 'com10', 'a.con', 'file.txt', ' name', 'null']) {
    t.equal(nameProblem(name, windows), null, name)
  }
})

t.test('says no with the escaped name, its reason, and the code for the peer', async (t) => {
  t.doesNotThrow(() => checkName('file.txt', linux))
  t.throws(() => checkName('a\x1bb', linux), {
    code: 'refused',
    reason: 'name',
    exitCode: 5,
    message: 'the name "a\\u{1b}b" is refused: it holds a control character or a direction override',
    peerMessage: 'the name "a\\u{1b}b" is refused: it holds a control character or a direction override',
  })
  const message = `the name "${'x'.repeat(79)}…" is refused: it has 60000 bytes, and 255 is the limit`
  t.throws(() => checkName('x'.repeat(60_000), linux), { message }, 'however long the name is')
})

t.test('has the same rules for what is in a directory, but for line breaks, tabs and hidden names', async (t) => {
  const never = ['..', '.', '', '../evil', 'a/b', 'a/', '/', 'a//b', '..\\evil', '\\evil', 'a\\..', 'a\\', '\ud800']
  for (const name of [
    ...never,
    'a\0b',
    'a\rb',
    '\x1b[2J',
    'a\u009bb',
    'a\x7fb',
    '\u2028',
    'a\u202eb',
    'x'.repeat(256),
  ]) {
    t.type(itemProblem(name, linuxHidden), 'string', printable(name))
    t.equal(itemProblem(name, linuxHidden), nameProblem(name, linuxHidden), printable(name))
  }
  for (const name of [
    'a\nb',
    '\n',
    'a\tb',
    '.bashrc',
    '.ssh',
    '..hidden',
    STAGING,
    'x'.repeat(255),
    '__proto__',
    'a\\b',
  ]) {
    t.equal(itemProblem(name, linux), null, printable(name))
  }
  for (const name of ['con', 'a:b', 'name.']) t.equal(itemProblem(name, windows), 'Windows does not allow it')
  const message = 'the name "a/b\\u{1b}" is refused: it holds a control character or a direction override'
  const refused = { code: 'refused', reason: 'name', message, peerMessage: message }
  t.throws(() => checkItemName('b\x1b', 'a/b\x1b', linux), refused)
  t.doesNotThrow(() => checkItemName('b', 'a/b', linux))
})

/** What no name may hold, written down a second time, by number: C0, DEL, C1, separators, directions, surrogates. */
const unsafeRanges = [
  [0x00, 0x1f],
  [0x7f, 0x9f],
  [0x2028, 0x202e],
  [0x2066, 0x2069],
  [0xd800, 0xdfff],
]

function isSafe(name: string): boolean {
  return Array.from(name).every((character) => {
    const point = character.codePointAt(0) ?? 0
    return unsafeRanges.every(([first = 0, last = 0]) => point < first || point > last)
  })
}

t.test('takes only names that lie directly below any base, and are safe to show', async (t) => {
  let taken = 0
  const property = fc.property(anyName, fc.boolean(), (name, allowHidden) => {
    const takenOn = (platform: NodeJS.Platform) => nameProblem(name, { allowHidden, platform }) === null
    if (takenOn('linux')) {
      taken++
      const path = posix.join('/base/dir', name)
      if (posix.dirname(path) !== '/base/dir' || posix.basename(path) !== name) return false
      if (!isSafe(name) || Buffer.byteLength(name) > MAX_NAME || Buffer.from(name).toString() !== name) return false
      if (name.toLowerCase() === STAGING) return false
    }
    if (takenOn('win32')) {
      const path = win32.join('C:\\base\\dir', name)
      if (win32.dirname(path) !== 'C:\\base\\dir' || win32.basename(path) !== name || !takenOn('linux')) return false
    }
    return true
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 3_000 }))
  t.ok(taken > 100, 'and enough of the names tried were taken for that to mean something')
})

t.test('takes only names of items that lie directly below any base', async (t) => {
  const property = fc.property(anyName, (name) => {
    if (itemProblem(name, linux) !== null) return nameProblem(name, linuxHidden) !== null
    const path = posix.join('/base/dir', name)
    const isBelow = posix.dirname(path) === '/base/dir' && posix.basename(path) === name
    return isBelow && isSafe(name.replace(/[\n\t]/g, '')) && Buffer.byteLength(name) <= MAX_NAME
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns: 1_000 }))
})

t.test('tries out no name that every file system holds, and every other', async (t) => {
  for (const name of ['file.txt', 'a', 'archive-1.2.tar.gz', '_x+y', '0', 'x'.repeat(100)]) t.ok(isPortable(name), name)
  for (const name of ['a:b.log', 'a b', 'what?', 'é', 'a\\b', '<x>', '"', 'x'.repeat(101)])
    t.notOk(isPortable(name), name)
})
