/**
 * A refusal in words (RFC 9457), or what stands in for one when no server answered.
 */
export type Problem = {
    /**
     * 0 when there was no answer
     */
    status: number;
    code: string;
    detail: string;
    /**
     * which members of the body are wrong
     */
    errors?: {
        pointer: string;
        detail: string;
    }[] | undefined;
};
export type Document = {
    collection: string;
    id: string;
    /**
     * null: deleted
     */
    value: any;
    version: number;
};
export type Result = {
    id: string;
    status: "applied" | "conflict" | "rejected";
    version?: number | undefined;
    /**
     * what stands, at a conflict
     */
    document?: Document | undefined;
    /**
     * why, at a rejection
     */
    problem?: Problem | undefined;
    /**
     * what REST would have answered
     */
    output?: any;
    replayed?: boolean | undefined;
};
export type Present = {
    id: string;
    name: string;
    kind: string;
    online: boolean;
};
export type Conflict = {
    /**
     * the lost mutation's
     */
    id: string;
    mutation: {
        id: string;
        name: string;
        args: Record<string, any>;
    };
    lost_value: any;
    /**
     * the document that stands
     */
    current: any;
    at: string;
};
/**
 * Why there is no connection. unreachable: nothing came, and a browser does not say why: no network, no such server, a
 * certificate that it does not trust. unavailable: somebody answered, but not as the server does when it can. certificate:
 * said where a runtime tells it apart, which browsers do not. origin_refused: this page's origin is none of those that the
 * server allows.
 */
export type Reason = "unreachable" | "unavailable" | "certificate" | "origin_refused" | "signed_out" | "closed";
