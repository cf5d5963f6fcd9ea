/** `--metrics`: what it counts, and what it answers. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import t from 'tap'
import { Metrics, serveMetrics } from '../../dist/cli/metrics.js'
import type { TransferEvent } from '../../dist/events.js'
import { send } from '../../dist/index.js'
import { startReceiver } from '../fixtures/commands.ts'

interface Answer {
  status: number | undefined
  type: string | undefined
  text: string
}

function ask(port: number, path: string, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1', path, method }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      response.on('end', () => resolve({ status: response.statusCode, type: response.headers['content-type'], text }))
    })
      .on('error', reject)
      .end()
  })
}

/** The samples, as a program reads them. */
function samplesOf(text: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(lines.map((line) => [line.replace(/ .*$/, ''), Number(line.replace(/^.* /, ''))]))
}

const peer = '127.0.0.1:1'
const problem = { message: 'x', code: 'refused', reason: 'exists' } as const

t.test('counts what the events tell', async (t) => {
  const metrics = new Metrics()
  const events: TransferEvent[] = [
    { event: 'listening', address: '::', port: 1 },
    { event: 'connected', transfer: 1, peer },
    { event: 'connected', transfer: 2, peer },
    { event: 'connected', transfer: 3, peer },
    { event: 'message', transfer: 1, peer, text: 'hello' } as TransferEvent,
    { event: 'refused', transfer: 1, peer, ...problem },
    { event: 'refused', transfer: 4, peer, ...problem, reason: 'magic', others: 5 },
    { event: 'failed', transfer: 2, ...problem, code: 'incomplete', reason: 'broken' },
    { event: 'failed', transfer: 4, ...problem, code: 'key', reason: 'key', others: 1 },
    { event: 'ended', transfer: 1, files: 3, bytes: 1000, complete: false, seconds: 1 },
    { event: 'ended', transfer: 2, files: 2, bytes: 24, complete: true, seconds: 1 },
  ]
  for (const event of events) metrics.onEvent(event)
  const samples = samplesOf(metrics.text)
  t.match(samples, {
    'tcp_recv_transfers_total{outcome="complete"}': 1,
    'tcp_recv_transfers_total{outcome="incomplete"}': 1,
    tcp_recv_transfers_active: 1,
    tcp_recv_files_total: 5,
    tcp_recv_bytes_total: 1024,
    tcp_recv_messages_total: 1,
    'tcp_recv_refused_total{reason="exists"}': 1,
    'tcp_recv_refused_total{reason="magic"}': 6,
    'tcp_recv_failed_total{reason="broken"}': 1,
    'tcp_recv_failed_total{reason="key"}': 2,
  })
  t.ok(Math.abs((samples.tcp_recv_start_time_seconds ?? 0) - performance.timeOrigin / 1000) < 1)
  for (const line of metrics.text.split('\n').slice(0, -1))
    t.match(
      line,
      /^(# HELP tcp_recv_\w+ .*\.|# TYPE tcp_recv_\w+ (counter|gauge)|tcp_recv_\w+(\{\w+="[\w-]+"\})? [\d.]+)$/,
    )
})

t.test('answers at two paths', async (t) => {
  const metrics = new Metrics()
  const port = await serveMetrics(metrics, { host: '127.0.0.1', port: 0 })
  t.match(await ask(port, '/health'), { status: 503, text: 'not listening\n' })
  metrics.onEvent({ event: 'listening', address: '::', port: 1 })
  t.match(await ask(port, '/health'), { status: 200, type: 'text/plain; charset=utf-8', text: 'listening\n' })
  t.match(await ask(port, '/health', 'HEAD'), { status: 200, text: '' })
  const answer = await ask(port, '/metrics?x=1')
  t.match(answer, { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', text: metrics.text })
  t.match(await ask(port, '/'), { status: 404 })
  t.match(await ask(port, '/metrics', 'POST'), { status: 405 })
  metrics.onEvent({ event: 'done', files: 0, bytes: 0, seconds: 0, exitCode: 0 })
  t.match(await ask(port, '/health'), { status: 503 })
})

t.test('says so if it cannot listen', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  const message = new RegExp(`^--metrics cannot listen on 127\\.0\\.0\\.1:${port}: .*EADDRINUSE`)
  await t.rejects(serveMetrics(new Metrics(), { host: '127.0.0.1', port }), { code: 'connect', message })
  server.close()
})

t.test('serves the figures of a receiver', async (t) => {
  const receiver = await startReceiver(t, ['--out', t.testdir({}), '--metrics', '127.0.0.1:0'])
  const [, port] = await receiver.says('stderr', /metrics: http:\/\/127\.0\.0\.1:(\d+)\/metrics/)
  await send({ sources: [{ text: 'hello' }], host: '127.0.0.1', port: Number(receiver.port) })
  const { text } = await ask(Number(port), '/metrics')
  t.match(samplesOf(text), { tcp_recv_messages_total: 1, tcp_recv_start_time_seconds: Number })
  t.ok((samplesOf(text).tcp_recv_flush_seconds_total ?? 0) >= 0)
  t.match(await receiver.kill('SIGTERM'), { code: 143 })
})

t.test('who connects and asks nothing is gone after some seconds', async (t) => {
  const port = await serveMetrics(new Metrics(), { host: '127.0.0.1', port: 0 })
  const start = performance.now()
  const socket = connect(port, '127.0.0.1').resume()
  await once(socket, 'close')
  t.ok(performance.now() - start < 15_000)
})

t.test('a connection on which nothing is asked does not keep a process from its end', async (t) => {
  const url = new URL('../../dist/cli/metrics.js', import.meta.url).href
  const program = `
    import { connect } from 'node:net'
    import { Metrics, serveMetrics } from ${JSON.stringify(url)}
    const port = await serveMetrics(new Metrics(), { host: '127.0.0.1', port: 0 })
    const socket = connect(port, '127.0.0.1')
    await new Promise((resolve) => socket.once('connect', resolve))
    await new Promise((resolve) => setTimeout(resolve, 200))
    socket.unref()`
  const start = performance.now()
  await once(spawn(process.execPath, ['--input-type=module', '-e', program]), 'exit')
  t.ok(performance.now() - start < 4_000)
})
