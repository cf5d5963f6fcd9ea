/** What a receiver lets in, decided from the header and the bytes counted, before a store is asked. */
import t from 'tap'
import { STAGING } from '../../dist/stores/staging.js'
import { printable } from '../../dist/text.js'
import { checkHeader, checkLimit, type Policy } from '../../dist/transfer/policy.js'
import { header } from '../fixtures/folder-store.ts'

const open: Policy = {
  accept: [],
  maxSize: 100,
  maxFiles: 1,
  maxDepth: 64,
  takesFiles: true,
  takesMessages: true,
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
  t.doesNotThrow(() => checkHeader(header({ name: '../evil' }), { ...open, names: null }))
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
