/** Does a sender or receiver of yours follow src/protocol/README.md? See README.md in this folder. */
import { parseArgs } from 'node:util'
import { checkReceiver } from './receiver.js'
import { checkSender } from './sender.js'

const { values } = parseArgs({
  options: { receiver: { type: 'string' }, sender: { type: 'string' }, strict: { type: 'boolean', default: false } },
})
const counts = { ok: 0, lax: 0, 'not ok': 0 }

/** One line for a case: `lax` is a peer that is more tolerant than the document. */
function tell({ title, section }, problems) {
  const verdict = problems.length === 0 ? 'ok' : problems.every(({ lax }) => lax) ? 'lax' : 'not ok'
  counts[verdict]++
  const why = problems.map(({ text }) => text).join('; ')
  process.stdout.write(`${verdict.padEnd(6)}  ${title} (${section})${why && `: ${why}`}\n`)
}

function ready(port, { title }) {
  process.stderr.write(`listening on ${port}: start your sender for ${title}\n`)
}

const place = /^\[?(.+?)\]?:(\d+)$/.exec(values.receiver ?? '')
try {
  if (place) await checkReceiver({ host: place[1], port: Number(place[2]) }, tell)
  else if (/^\d+$/.test(values.sender ?? '')) await checkSender({ port: Number(values.sender) }, ready, tell)
  else throw new Error('say --receiver HOST:PORT or --sender PORT')
  process.stdout.write(`${counts.ok} ok, ${counts.lax} lax, ${counts['not ok']} not ok\n`)
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  counts['not ok']++
}
process.exitCode = counts['not ok'] > 0 || (values.strict && counts.lax > 0) ? 1 : 0
