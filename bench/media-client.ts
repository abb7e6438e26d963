const AT_ONCE = 4;

/** A client of the REST API, as far as the bench needs one. */
export class MediaClient {
  constructor(
    private readonly origin: string,
    private readonly token: string,
  ) {}

  /** Requests URLs and puts the photos. @returns the ids, in their order */
  async putAll(photos: readonly Buffer[]): Promise<string[]> {
    const ids: string[] = [];
    let next = 0;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let index = next++; index < photos.length; index = next++) {
          ids[index] = await this.put(photos[index] ?? Buffer.alloc(0));
        }
      }),
    );
    return ids;
  }

  async confirm(id: string): Promise<void> {
    await this.call('POST', `/v1/media/${id}/confirm`, {});
  }

  async waitUntilReady(id: string): Promise<void> {
    const file: { status?: string } = JSON.parse(
      await this.call('GET', `/v1/media/${id}?waitFor=ready&timeoutSeconds=30`),
    );
    if (file.status !== 'ready') {
      throw new Error(`A file of the bench is ${file.status} instead of ready`);
    }
  }

  private async put(photo: Buffer): Promise<string> {
    const ticket: { mediaFileId: string; uploadUrl: string; uploadHeaders: Record<string, string> } =
      JSON.parse(
        await this.call('POST', '/v1/media/uploads', {
          fileName: 'Photo.JPG',
          mimeType: 'image/jpeg',
          fileSize: photo.length,
        }),
      );
    const response = await fetch(ticket.uploadUrl, {
      method: 'PUT',
      headers: ticket.uploadHeaders,
      body: new Uint8Array(photo),
    });
    if (!response.ok) {
      throw new Error(`A PUT of the bench was answered ${response.status}`);
    }
    return ticket.mediaFileId;
  }

  private async call(method: string, path: string, body?: object): Promise<string> {
    const response = await fetch(this.origin + path, {
      method,
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) {
      throw new Error(`${method} ${path} was answered ${response.status}: ${text}`);
    }
    return text;
  }
}
