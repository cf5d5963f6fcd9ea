/** The positional arguments of `tcp-send`, right and wrong, beside files that are there and files that are not. */
import t, { type Test } from 'tap'
import { parseArguments } from '../../dist/cli/arguments.js'
import { sendCommandLine } from '../../dist/cli/send-command-line.js'
import { readSendPositionals } from '../../dist/cli/send-positionals.js'
import { usageError } from '../fixtures/usage.js'

const positionals = (...args: string[]) => readSendPositionals(parseArguments(sendCommandLine, args))

/** Goes into a folder with two files, one of which looks like an address. */
function enter(t: Test): void {
  const before = process.cwd()
  process.chdir(t.testdir({ 'a.txt': '', 'b:1': '' }))
  t.teardown(() => process.chdir(before))
}

t.test('takes the host and the port from the last one or two words', async (t) => {
  const table: [words: string[], paths: string[], host: string, port: number][] = [
    [['a.txt', 'host', '9000'], ['a.txt'], 'host', 9000],
    [['a.txt', 'host:9000'], ['a.txt'], 'host', 9000],
    [['a.txt', 'b.txt', '[::1]:9000'], ['a.txt', 'b.txt'], '::1', 9000],
    [['a.txt', '[::1]', '9000'], ['a.txt'], '::1', 9000],
    [['-', '::1', '9000'], ['-'], '::1', 9000],
    [['b:1', 'host', '9000'], ['b:1'], 'host', 9000],
    [['b:1', 'host:9000'], ['b:1'], 'host', 9000],
    [['9000', '9000', '9000'], ['9000'], '9000', 9000],
    [['--text', 'hello', 'host:9000'], [], 'host', 9000],
    [['--text', 'hello', 'host', '9000'], [], 'host', 9000],
  ]
  for (const [words, paths, host, port] of table) t.same(positionals(...words), { paths, host, port }, words.join(' '))
})

t.test('does not guess whether a word is a file or an address', async (t) => {
  enter(t)
  const message = '"b:1" is a file here and an address, too; type ./b:1 for the file, "b 1" for the address'
  t.equal(await usageError(() => positionals('a.txt', 'b:1')), message)
  t.same(positionals('a.txt', 'b', '1'), { paths: ['a.txt'], host: 'b', port: 1 })
  t.same(positionals('./b:1', 'host', '9'), { paths: ['./b:1'], host: 'host', port: 9 })
  t.same(positionals('--text', 'hello', 'b:1'), { paths: [], host: 'b', port: 1 }, 'a message has no path')
})

t.test('says what is missing or in the wrong place, with a command that can be copied', async (t) => {
  enter(t)
  const last = 'the host and the port come last'
  const folder = 'the receiver chooses the folder, with tcp-recv --out'
  const table: [words: string[], note: string, command: string][] = [
    [[], 'the path, the host and the port are missing', 'file.txt host 9000'],
    [['a.txt'], 'the host and the port are missing', 'a.txt host 9000'],
    [['typo.txt'], 'the host and the port are missing', 'typo.txt host 9000'],
    [['a.txt', 'server'], 'the port is missing', 'a.txt server 9000'],
    [['typo.txt', 'server'], 'the port is missing', 'typo.txt server 9000'],
    [['a.txt', '9001'], 'the host is missing', 'a.txt host 9001'],
    [['-', '9001'], 'the host is missing', '- host 9001'],
    [['server', '9001'], 'the path is missing', 'file.txt server 9001'],
    [['server:9001'], 'the path is missing', 'file.txt server 9001'],
    [['9001', 'server', 'a.txt'], last, 'a.txt server 9001'],
    [['server', '9001', 'a.txt'], last, 'a.txt server 9001'],
    [['a.txt', '9001', 'server'], last, 'a.txt server 9001'],
    [['server:9001', 'b:1', 'a.txt'], last, 'b:1 a.txt server 9001'],
    [['::1', '9001', 'a.txt'], last, 'a.txt ::1 9001'],
    [['a.txt', '::1:9001'], 'an IPv6 address before a port is put in brackets', 'a.txt ::1 9001'],
    [['a.txt', 'tcp://server:9001'], 'give a host, not a URL', 'a.txt server 9001'],
    [['a.txt', 'http://server', '9001'], 'give a host, not a URL', 'a.txt server 9001'],
    [['a.txt', 'me@server:/tmp'], `${folder}; the port is missing`, 'a.txt server 9000'],
    [['-p', '9001', 'a.txt', 'server'], '--port is for --listen; the host and the port come last', 'a.txt server 9001'],
    [['--host', 'server', 'a.txt'], `--host is for --listen; ${last}; the port is missing`, 'a.txt server 9000'],
    [['--name', "it's", 'a.txt', 'x y'], 'the port is missing', `--name 'it'\\''s' a.txt 'x y' 9000`],
    [['--text', 'two words'], 'the host and the port are missing', `--text 'two words' host 9000`],
    [['--text', 'x', 'server'], 'the port is missing', '--text x server 9000'],
    [['--text', 'x', '9001', 'server'], last, '--text x server 9001'],
  ]
  for (const [words, note, command] of table) {
    t.equal(await usageError(() => positionals(...words)), `${note}: tcp-send ${command}`)
  }
})

t.test('says which word is empty', async (t) => {
  for (const [words, what] of [
    [['a', '', '9'], 'the host'],
    [['a', 'host', ''], 'the port'],
    [['', 'host', '9'], 'a path'],
    [['', 'host:9'], 'a path'],
    [['a', ''], 'the port'],
  ] as const) {
    t.equal(await usageError(() => positionals(...words)), `${what} is empty`)
  }
})
