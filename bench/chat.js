/**
 * `npm run soak:chat [SECONDS]`: a room of tcp-chat under peers that send anything, for ten minutes by default. All the
 * time two honest members talk. It fails if a line of theirs is lost, if the room ends, or if its memory grows.
 */
import { spawn } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { chat } from '../dist/index.js'

const seconds = Number(process.argv[2] ?? 600)
const PEERS = 40
/** The most that the memory may grow after the first quarter, in MiB. */
const GROWTH = 64

const bin = fileURLToPath(new URL('../bin/tcp-chat.js', import.meta.url))
const args = [bin, '--host', '127.0.0.1', '--port', '0', '--room', '--name', 'host', '--quiet']
const room = spawn(process.execPath, [...args, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
const [first] = await once(room.stdout, 'data')
const { port } = JSON.parse(String(first).split('\n')[0])
room.stdout.resume()
let isOver = false
room.once('exit', (code) => {
  if (!isOver) fail(`the room has ended with ${code}`)
})

function fail(text) {
  console.error(text)
  room.kill('SIGKILL')
  process.exit(1)
}

/** The memory of the room, in MiB. */
function memory() {
  const [, kib] = /^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${room.pid}/status`, 'utf8'))
  return Number(kib) / 1024
}

const starts = [
  () => '',
  () => 'tcp-chat/1 ',
  () => `tcp-chat/1 {"name":"peer-${randomInt(100)}"}\n`,
  () => 'hello\n'.repeat(randomInt(1000)),
  () => '\n'.repeat(randomInt(10_000)),
  () => `tcp-chat/1 {"name":"x"}\n${'{"say":"x"}\n'.repeat(randomInt(500))}`,
  () => `tcp-chat/1 {"name":"x"}\n${'{"who":true}\n'.repeat(randomInt(500))}`,
  () => `tcp-chat/1 {"name":"x"}\n${'['.repeat(randomInt(30_000))}\n`,
]

let connections = 0
async function hostile() {
  while (!isOver) {
    connections++
    const socket = connect({ host: '127.0.0.1', port })
    socket.on('error', () => {})
    if (randomInt(4) > 0) socket.resume()
    socket.write(starts[randomInt(starts.length)]())
    socket.write(randomBytes(randomInt(2000)))
    await sleep(randomInt(300))
    socket[['destroy', 'resetAndDestroy', 'end'][randomInt(3)]]()
    await Promise.race([once(socket, 'close').catch(() => {}), sleep(1_500)])
    socket.destroy()
  }
}

const heard = new Set()
const onEvent = (event) => event.event === 'line' && event.from === 'anna' && heard.add(event.text)
const [anna, bob] = await Promise.all([
  chat({ host: '127.0.0.1', port, name: 'anna' }),
  chat({ host: '127.0.0.1', port, name: 'bob', onEvent }),
])
for (const { finished } of [anna, bob]) finished.catch((error) => fail(`an honest member: ${error.message}`))
const peers = Array.from({ length: PEERS }, hostile)
const end = performance.now() + seconds * 1000
let [said, early] = [0, 0]
while (performance.now() < end) {
  await anna.say(`line ${said++}`)
  await sleep(100)
  if (performance.now() < end - seconds * 750) early = memory()
}
await sleep(2_000)
const late = memory()
isOver = true
await Promise.all(peers)
const lost = said - heard.size
const figures = `${connections} hostile connections, ${said} lines, ${early.toFixed(0)} MiB, at the end ${late.toFixed(0)}`
if (lost > 0) fail(`${lost} lines are lost (${figures})`)
if (late > early + GROWTH) fail(`the memory has grown (${figures})`)
for (const talk of [anna, bob]) talk.leave()
room.kill('SIGINT')
console.log(figures)
