/** Receivers that list wrongly what they have of a directory: the sender sends what they lack, or ends. */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { SendOptions } from '../../dist/index.js'
import { listLimits } from '../../dist/transfer/answers.js'
import { type Ended, trySend } from '../fixtures/ends.ts'
import { listenAsPeer, type Peer } from '../fixtures/peer.ts'
import { type Frame, frame, readFrames } from '../fixtures/peer-frames.ts'
import { replaceProperty } from '../fixtures/replace-property.ts'
import { makeTree } from '../fixtures/tree.ts'

const files = { a: 'one', 'd/b': 'two', link: { to: 'a' } }
const features = ['directories', 'resume', 'resume-directories', 'kept']
const opening = (all: string[] = features) =>
  Buffer.concat([Buffer.from('tcp-recv'), frame('G', { version: 1, features: all })])
const listed = (items: string[], more: object = {}) => frame('I', { entry: 0, items, ...more })

type Script = (peer: Peer, item: (name: string, path?: string) => string) => Promise<void>

/** Sends the directory to a receiver that follows the script. `item` is what an honest one lists for a path. */
async function sendTo(t: Test, script: Script, options: Partial<SendOptions> = {}): Promise<Ended> {
  const project = makeTree(join(t.testdir(), 'project'), files)
  const item = (name: string, path = name) => {
    const { size, mtimeMs } = lstatSync(join(project, name))
    return `${size} ${Math.round(mtimeMs)} ${path}`
  }
  const { port } = await listenAsPeer(t, async (peer) => {
    await script(peer, item).catch(() => {})
    await peer.ended
    peer.socket.destroy()
  })
  return await trySend(t, port, project, { retry: 0, ...options })
}

/** Reads the directory to its end, and confirms it as it came. Returns the types of its items. */
async function confirm(peer: Peer): Promise<string> {
  const { fields } = await peer.next('E')
  const { bytes, blake3 } = fields
  peer.finish(frame('S', { entry: 0, name: 'project', bytes, blake3 }))
  const data = peer.frames.filter(({ type }: Frame) => type === 'D').map(({ bytes }) => bytes)
  return readFrames(Buffer.concat([Buffer.from('tcp-send'), ...data]))
    .frames.map(({ type }) => type)
    .join('')
}

const everything = 'HDOHDCL'

/** What is listed, and the types of the items that the sender sends then. */
const lists: Record<string, [items: (item: (name: string, path?: string) => string) => string[], types: string]> = {
  'both files': [(item) => [item('a'), item('d/b')], 'KOKCLV'],
  'files that are not there': [() => ['3 1 x', '3 1 d/c', '3 1 ../a', '3 1 /etc/passwd', '3 1 a/b'], everything],
  'other sizes and times': [(item) => [item('a').replace(/^3/, '4'), `3 1 d/b`], everything],
  'one file under the path of another': [
    (item) => [`${item('a').replace(/^3/, '2')}`, item('d/b', 'd/b ')],
    everything,
  ],
  'a directory and a symlink': [(item) => [item('d'), item('link'), item('a', 'link')], everything],
  'names of objects': [() => ['1 1 __proto__', '1 1 constructor'], everything],
  'the same twice, and the second one wrong': [(item) => [item('a'), '9 9 a'], everything],
}

for (const [what, [items, types]] of Object.entries(lists)) {
  t.test(`sends what it must to a receiver that lists ${what}`, async (t) => {
    let sent = ''
    const { error } = await sendTo(t, async (peer, item) => {
      await peer.write(opening())
      t.match((await peer.next('H')).fields, { resume: 'list', '!kind': 'directory' })
      // In two parts.
      await peer.write(listed(['1 1 other'], { more: true }), listed(items(item)))
      sent = await confirm(peer)
    })
    t.equal(error, undefined)
    t.equal(sent, types)
  })
}

t.test('holds no more than so much of a list, and sends what is beyond', async (t) => {
  replaceProperty(t, listLimits, 'held', { value: 1_000 })
  let sent = ''
  const { error } = await sendTo(t, async (peer, item) => {
    await peer.write(opening())
    await peer.next('H')
    const many = Array.from({ length: 150 }, (_, index) => `1 1 ${index}`)
    for (let part = 0; part < 50; part++) await peer.write(listed([item('a'), ...many], { more: true }))
    await peer.write(listed([item('d/b')]))
    sent = await confirm(peer)
  })
  t.equal(error, undefined)
  t.equal(sent, 'KOHDCLV')
})

/** What comes instead of a list, and what the sender makes of it. */
const breaches: Record<string, [frames: Buffer[], message: RegExp]> = {
  'nothing, and that more follows': [[listed([], { more: true })], /^a list without a file has "more"$/],
  'two lists': [[listed([]), listed([])], /which was not asked for$/],
  'a file without a time': [[listed(['5 x a'])], /^the receiver lists what is no file$/],
  'no files': [[listed(['a'])], /^the receiver lists what is no file$/],
  'a negative size': [[listed(['-1 1 a'])], /^the receiver lists what is no file$/],
  'too many files at once': [[listed(Array(201).fill('1 1 a'))], /^"items" of the listed frame/],
  'ranges instead': [[frame('W', { entry: 0, ranges: [] })], /^the receiver wants something of entry 0/],
}

for (const [what, [frames, message]] of Object.entries(breaches)) {
  t.test(`fails at a receiver that lists ${what}`, async (t) => {
    const { error, events } = await sendTo(t, async (peer) => {
      await peer.write(opening())
      await peer.next('H')
      await peer.write(...frames)
      await peer.ended
      t.match(peer.frames.at(-1), { type: 'A', fields: { entry: null, reason: 'protocol', message } })
    })
    t.match(error, { code: 'incomplete', reason: 'protocol', message })
    t.strictSame(events.of('sent'), [])
  })
}

t.test('fails at a receiver that lists what nobody has asked for', async (t) => {
  for (const all of [['directories'], ['directories', 'resume', 'kept'], ['directories', 'resume-directories']]) {
    const { error } = await sendTo(t, async (peer) => {
      await peer.write(opening(all))
      const { fields } = await peer.next('H')
      t.equal(fields.resume, undefined)
      t.equal('source' in fields, all.includes('resume-directories'), 'who does not go on learns no source')
      await peer.write(listed([]))
    })
    t.match(error, { code: 'incomplete', reason: 'protocol', message: /which was not asked for$/ })
  }
})

t.test('ends if the list never comes, or never ends', async (t) => {
  for (const frames of [[], [listed(['1 1 a'], { more: true })]]) {
    const { error } = await sendTo(
      t,
      async (peer) => {
        await peer.write(opening())
        await peer.next('H')
        await peer.write(...frames)
      },
      { timeout: 200 },
    )
    t.match(error, { code: 'timeout' })
  }
})

t.test('ends if the receiver refuses the directory, or goes, instead of a list', async (t) => {
  const refused = await sendTo(t, async (peer) => {
    await peer.write(opening())
    await peer.next('H')
    peer.finish(frame('R', { entry: 0, reason: 'policy', message: 'no' }))
  })
  t.match(refused.error, { code: 'refused', reason: 'policy' })
  const gone = await sendTo(t, async (peer) => {
    await peer.write(opening())
    await peer.next('H')
    peer.finish()
  })
  t.match(gone.error, { code: 'incomplete' })
})

t.test('ignores a list for an entry that was not sent', async (t) => {
  let sent = ''
  const { error } = await sendTo(t, async (peer, item) => {
    await peer.write(opening())
    await peer.next('H')
    await peer.write(frame('I', { entry: 7, items: [item('d/b')] }), listed([item('a')]))
    sent = await confirm(peer)
  })
  t.equal(error, undefined)
  t.equal(sent, 'KOHDCLV')
})
