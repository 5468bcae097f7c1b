// Makes vectors.json with the cryptography of Node.js, which the older systems ran on: node vectors.mjs > vectors.json
import { createCipheriv, pbkdf2Sync, scryptSync } from 'node:crypto'

const MASTER = 'correct horse battery staple'
const ACCESS = 'eyJhbGciOiJkaXIifQ.access-token-of-acme'
const REFRESH = 'AB11735689600refreshtokenofacme'
const bytes = (length, first) => Buffer.from(Array.from({ length }, (_, index) => (first + index) % 256))

function seal(key, iv, text) {
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return { sealed, tag: cipher.getAuthTag() }
}

function appended(key, iv, text, encoding) {
  const { sealed, tag } = seal(key, iv, text)
  return Buffer.concat([sealed, tag]).toString(encoding)
}

function inOneColumn(key, iv, text) {
  const { sealed, tag } = seal(key, iv, text)
  return [iv, tag, sealed].map(part => part.toString('hex')).join(':')
}

const salt = bytes(32, 1)
const shared = bytes(16, 101)
const usual = pbkdf2Sync(MASTER, salt, 100_000, 32, 'sha256')
const quick = pbkdf2Sync(MASTER, salt, 1_000, 32, 'sha256')
const other = pbkdf2Sync(MASTER, salt.toString('hex'), 1_000, 32, 'sha512')
const memory = scryptSync(MASTER, salt, 32)
const small = scryptSync(Buffer.from(MASTER), salt, 32, { N: 16, r: 1, p: 1 })
const separate = [seal(other, bytes(12, 7), ACCESS), seal(other, bytes(12, 77), REFRESH)]

const vectors = {
  masterSecret: MASTER,
  accessToken: ACCESS,
  refreshToken: REFRESH,
  rows: {
    'pbkdf2, 100,000 iterations of SHA-256, one IV of 16 bytes, tags appended, hex': {
      secret: {},
      tokens: {
        format: 'pbkdf2', salt: salt.toString('hex'), iv: shared.toString('hex'),
        accessToken: appended(usual, shared, ACCESS, 'hex'), refreshToken: appended(usual, shared, REFRESH, 'hex'),
      },
    },
    'pbkdf2, 1,000 iterations of SHA-256, one IV of 16 bytes, tags appended, hex': {
      secret: { iterations: 1000 },
      tokens: {
        format: 'pbkdf2', salt: salt.toString('hex'), iv: shared.toString('hex'),
        accessToken: appended(quick, shared, ACCESS, 'hex'), refreshToken: appended(quick, shared, REFRESH, 'hex'),
      },
    },
    'pbkdf2, 1,000 iterations of SHA-512 over the text of one salt for all, IVs of 12 bytes, tags apart, base64': {
      secret: { iterations: 1000, digest: 'sha512', salt: salt.toString('hex'), saltEncoding: 'utf8' },
      tokens: {
        format: 'pbkdf2', accessIv: bytes(12, 7).toString('base64'), refreshIv: bytes(12, 77).toString('base64'),
        accessToken: separate[0].sealed.toString('base64'), accessTag: separate[0].tag.toString('base64'),
        refreshToken: separate[1].sealed.toString('base64'), refreshTag: separate[1].tag.toString('base64url'),
      },
    },
    'scrypt by the defaults of Node, iv:tag:ciphertext': {
      secret: {},
      tokens: {
        format: 'scrypt', salt: salt.toString('base64'),
        accessToken: inOneColumn(memory, bytes(16, 9), ACCESS), refreshToken: inOneColumn(memory, bytes(12, 99), REFRESH),
      },
    },
    'scrypt with parameters of its own and the secret in hex, iv:tag:ciphertext': {
      secret: { masterSecret: Buffer.from(MASTER).toString('hex'), encoding: 'hex', n: 16, r: 1, p: 1 },
      tokens: {
        format: 'scrypt', salt: salt.toString('hex'),
        accessToken: inOneColumn(small, bytes(16, 9), ACCESS), refreshToken: inOneColumn(small, bytes(12, 99), REFRESH),
      },
    },
  },
}

console.log(JSON.stringify(vectors, null, 2))
