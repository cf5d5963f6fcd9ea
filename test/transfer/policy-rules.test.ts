/** What a receiver lets in, decided from the header and the bytes counted, before a store is asked. */
import t from 'tap'
import { STAGING } from '../../dist/stores/staging.js'
import { printable } from '../../dist/text.js'
import {
  checkHeader,
  checkItem,
  checkItemFile,
  checkLimit,
  checkSymlink,
  type Policy,
} from '../../dist/transfer/policy.js'
import { header } from '../fixtures/folder-store.ts'

const open: Policy = {
  accept: [],
  maxSize: 100,
  maxFiles: 1,
  maxDepth: 64,
  takesFiles: true,
  takesMessages: true,
  hasNames: true,
  names: { allowHidden: false, platform: 'linux' },
  allowUnverified: false,
  expect: {},
}

t.test('refuses a name by the rules', async (t) => {
  for (const name of ['../evil', STAGING, '.bashrc', 'a\u202eb', 'x'.repeat(256)]) {
    t.throws(() => checkHeader(header({ name }), open), { code: 'refused', reason: 'name' }, printable(name))
  }
  const allowing = { ...open, names: { allowHidden: true, platform: 'linux' as const } }
  t.doesNotThrow(() => checkHeader(header({ name: '.bashrc' }), allowing))
})

t.test('has no rules for names where the destination gives none', async (t) => {
  const nameless = { ...open, hasNames: false }
  t.doesNotThrow(() => checkHeader(header({ name: '../evil' }), nameless))
  t.doesNotThrow(() => checkHeader(header({ kind: 'message', name: '../evil' }), nameless))
})

t.test('has rules for the names of a directory and of everything in it, wherever it goes', async (t) => {
  for (const policy of [open, { ...open, hasNames: false }]) {
    for (const name of ['../evil', '..', '', '.ssh', 'a\u202eb']) {
      const directory = header({ kind: 'directory', name, type: 'inode/directory', size: null })
      t.throws(() => checkHeader(directory, policy), { code: 'refused', reason: 'name' }, printable(name))
    }
    for (const name of ['../evil', '..', '', 'a/b', 'a\u202eb']) {
      t.throws(() => checkItem(name, `sub/${name}`, policy), { code: 'refused', reason: 'name' }, printable(name))
    }
    t.doesNotThrow(() => checkItem('.ssh', 'sub/.ssh', policy), 'hidden names are ordinary in a directory')
  }
})

t.test('has no limit of type or size for a directory, but for each file in it', async (t) => {
  const strict = { ...open, accept: ['text/plain'], maxSize: 10 }
  const directory = header({ kind: 'directory', name: 'a', type: 'inode/directory', size: 1000 })
  t.doesNotThrow(() => checkHeader(directory, strict))
  t.doesNotThrow(() => checkItemFile('a/b.txt', 10, strict))
  const tooLarge = { code: 'refused', reason: 'too-large', message: 'b\\u{a}.txt: the file has 11 bytes' }
  t.throws(() => checkItemFile('b\n.txt', 11, strict), tooLarge)
  t.throws(() => checkItemFile('a/b.png', 1, strict), { code: 'refused', reason: 'type', message: 'a/b.png: it takes' })
})

t.test('refuses a path in a directory by its length in bytes', async (t) => {
  const path = (bytes: number) => `${'é'.repeat(1535)}${'x'.repeat(bytes - 3070)}`
  t.doesNotThrow(() => checkItem('x', path(3072), open))
  t.throws(() => checkItem('x', path(3073), open), { code: 'refused', reason: 'name', message: /3072 bytes/ })
})

t.test('refuses a symlink that leads out, or whose target is none', async (t) => {
  const refused = (message: RegExp) => ({ code: 'refused', reason: 'name', message })
  t.doesNotThrow(() => checkSymlink('a/b/l', '../../x y\n\t', 2))
  t.throws(
    () => checkSymlink('a/b/l\n', '../../../x', 2),
    refused(/^the symlink "a\/b\/l\\u\{a\}".*: it leads out of the/),
  )
  t.throws(() => checkSymlink('l', '', 0), refused(/it leads out/))
  t.doesNotThrow(() => checkSymlink('l', 'é'.repeat(2047), 0))
  t.throws(() => checkSymlink('l', 'é'.repeat(2048), 0), refused(/its target has more than 4095 bytes/))
  for (const target of ['nul\0', '\u001b[2J', 'a\u202eb']) {
    t.throws(() => checkSymlink('l', target, 0), refused(/its target holds a control character/), printable(target))
  }
})

t.test('refuses what it does not understand, whatever else it is', async (t) => {
  const unsupported = 'it does not know the kind "tree"'
  const refused = { code: 'refused', reason: 'field', message: unsupported }
  t.throws(() => checkHeader({ ...header({ name: '../evil' }), unsupported }, open), refused)
})

t.test('has no limit of size or type for a message', async (t) => {
  const message = header({ kind: 'message', name: '', size: 101 })
  t.doesNotThrow(() => checkHeader(message, { ...open, accept: ['image/*'] }))
  t.throws(() => checkHeader(message, { ...open, takesMessages: false }), { reason: 'policy', message: /no messages/ })
  t.throws(() => checkHeader(header(), { ...open, takesFiles: false }), { reason: 'policy', message: /only messages/ })
})

t.test('refuses a file over the limit by its header, and by what has come', async (t) => {
  t.doesNotThrow(() => checkHeader(header({ size: 100 }), open))
  t.throws(() => checkHeader(header({ size: 101 }), open), { code: 'refused', reason: 'too-large' })
  t.doesNotThrow(() => checkLimit(100, open))
  t.throws(() => checkLimit(101, open), { code: 'refused', reason: 'too-large', message: /101 bytes.* 100$/ })
})
