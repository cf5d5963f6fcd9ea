/** A directory as a stream: the same bytes, however much room there is for them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { TreeDecoder } from '../../dist/protocol/tree-decoder.js'
import { FolderSource } from '../../dist/sources/folder-source.js'
import { TreeRecord } from '../../dist/transfer/tree-record.js'
import { TreeStream } from '../../dist/transfer/tree-stream.js'

/** Everything that the stream gives, read into buffers of this length. */
async function read(path: string, length: number): Promise<Buffer> {
  const options = { exclude: [], gitignore: false, follow: false }
  const opened = await new FolderSource(path, 'project', options).open()
  const record = await TreeRecord.create(Buffer.from('header'))
  const fail = (where: string, error: Error) => {
    throw new Error(`${where}: ${error.message}`)
  }
  const stream = await TreeStream.create({ opened, record, kept: null, onProblem: fail })
  const pieces: Buffer[] = []
  for (let count = length; count === length; ) {
    const piece = Buffer.alloc(length + 2, '#')
    count = await stream.read(piece, 1, length)
    if (piece[0] !== 35 || piece[length + 1] !== 35) throw new Error('it wrote outside of the place that it was given')
    pieces.push(piece.subarray(1, 1 + count))
  }
  await stream.check(false)
  await stream.close()
  await opened.close()
  record.close()
  return Buffer.concat(pieces)
}

/** The content of each file in the stream, by its name. */
function filesOf(bytes: Buffer): Map<string, string> {
  const files = new Map<string, string>()
  const decoder = new TreeDecoder()
  let name = ''
  for (const message of decoder.push(bytes)) {
    if (message.frame === 'file') {
      name = message.name
      files.set(name, '')
    }
    if (message.frame === 'data') files.set(name, files.get(name) + message.bytes.toString('latin1'))
  }
  decoder.finish()
  return files
}

t.test('gives the same files in buffers of any length', async (t) => {
  const project = join(t.testdir({ project: { small: 'one', empty: '', sub: { inner: 'two' } } }), 'project')
  const large = 'abcdefghijklmnopqrstuvwxyz'.repeat(4_000)
  writeFileSync(join(project, 'large'), large)
  const expected = [
    ['empty', ''],
    ['large', large],
    ['small', 'one'],
    ['inner', 'two'],
  ]
  for (const length of [512 * 1024, 64 * 1024, 8 * 1024, 2 * 1024, 1024]) {
    t.strictSame([...filesOf(await read(project, length))], expected, `${length} bytes at a time`)
  }
})
